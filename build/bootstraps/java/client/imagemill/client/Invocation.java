package imagemill.client;

import com.amazonaws.services.lambda.runtime.ClientContext;
import com.amazonaws.services.lambda.runtime.CognitoIdentity;
import com.amazonaws.services.lambda.runtime.Context;
import com.amazonaws.services.lambda.runtime.LambdaLogger;
import com.amazonaws.services.lambda.runtime.LambdaRuntime;
import java.util.Map;

/** One event, and what its headers and the environment tell about it. */
final class Invocation implements Context {
    final byte[] event;
    private final Map<String, String> headers;
    private final Map<String, String> environment;

    /** Header names are found in any case. */
    Invocation(byte[] event, Map<String, String> headers, Map<String, String> environment) {
        this.event = event;
        this.headers = headers;
        this.environment = environment;
    }

    private String header(String name) {
        return headers.get("Lambda-Runtime-" + name);
    }

    @Override
    public String getAwsRequestId() {
        return header("Aws-Request-Id");
    }

    @Override
    public String getLogGroupName() {
        return environment.get("AWS_LAMBDA_LOG_GROUP_NAME");
    }

    @Override
    public String getLogStreamName() {
        return environment.get("AWS_LAMBDA_LOG_STREAM_NAME");
    }

    @Override
    public String getFunctionName() {
        return environment.get("AWS_LAMBDA_FUNCTION_NAME");
    }

    @Override
    public String getFunctionVersion() {
        return environment.get("AWS_LAMBDA_FUNCTION_VERSION");
    }

    @Override
    public String getInvokedFunctionArn() {
        return header("Invoked-Function-Arn");
    }

    @Override
    public CognitoIdentity getIdentity() {
        String text = header("Cognito-Identity");
        return text == null || text.isEmpty() ? null : Identities.identity(text);
    }

    @Override
    public ClientContext getClientContext() {
        String text = header("Client-Context");
        return text == null || text.isEmpty() ? null : Identities.context(text);
    }

    @Override
    public int getRemainingTimeInMillis() {
        long deadline = Long.parseLong(headers.getOrDefault("Lambda-Runtime-Deadline-Ms", "0"));
        return (int) Math.max(0, Math.min(Integer.MAX_VALUE, deadline - System.currentTimeMillis()));
    }

    @Override
    public int getMemoryLimitInMB() {
        return Integer.parseInt(environment.getOrDefault("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128"));
    }

    @Override
    public LambdaLogger getLogger() {
        return LambdaRuntime.getLogger();
    }

    @Override
    public String getTenantId() {
        return header("Aws-Tenant-Id");
    }

    @Override
    public String getXrayTraceId() {
        return header("Trace-Id");
    }
}
