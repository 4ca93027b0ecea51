"""The smallest Lambda function: greets whom the event names."""


def handler(event, context):
    print("request " + context.aws_request_id)
    return {"greeting": "Hello, " + event["name"] + "!"}
