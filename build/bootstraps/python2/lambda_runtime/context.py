"""What a handler is told of its invocation, beside the event."""

import json
import sys
import time


class Context(object):
    def __init__(self, headers, environment):
        self.aws_request_id = headers["Lambda-Runtime-Aws-Request-Id"]
        self.invoked_function_arn = headers.get("Lambda-Runtime-Invoked-Function-Arn")
        self.function_name = environment.get("AWS_LAMBDA_FUNCTION_NAME")
        self.function_version = environment.get("AWS_LAMBDA_FUNCTION_VERSION")
        self.memory_limit_in_mb = environment.get("AWS_LAMBDA_FUNCTION_MEMORY_SIZE")
        self.log_group_name = environment.get("AWS_LAMBDA_LOG_GROUP_NAME")
        self.log_stream_name = environment.get("AWS_LAMBDA_LOG_STREAM_NAME")
        self.identity = _Fields("cognito_identity_id", "cognito_identity_pool_id")
        identity = _json(headers, "Lambda-Runtime-Cognito-Identity")
        if identity:
            self.identity.cognito_identity_id = identity.get("cognitoIdentityId")
            self.identity.cognito_identity_pool_id = identity.get("cognitoIdentityPoolId")
        self.client_context = _client(_json(headers, "Lambda-Runtime-Client-Context"))
        self._deadline = int(headers.get("Lambda-Runtime-Deadline-Ms", 0))

    def get_remaining_time_in_millis(self):
        return max(self._deadline - int(time.time() * 1000), 0)

    def log(self, message):
        sys.stdout.write(str(message))


class _Fields(object):
    """An object with these attributes, None at first."""

    def __init__(self, *names):
        self.__dict__.update(dict.fromkeys(names))


def _json(headers, name):
    return json.loads(headers[name]) if headers.get(name) else None


def _client(given):
    """The client's context of mobile applications, None where there is none."""
    if not given:
        return None
    context = _Fields("custom", "env", "client")
    context.custom, context.env = given.get("custom"), given.get("env")
    names = ("installation_id", "app_title", "app_version_name", "app_version_code", "app_package_name")
    if given.get("client"):
        context.client = _Fields(*names)
        context.client.__dict__.update((name, given["client"].get(name)) for name in names)
    return context
