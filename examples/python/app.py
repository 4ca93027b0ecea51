"""The smallest Lambda function: greets whom the event names."""


def handler(event, context):
    print(f"request {context.aws_request_id}")
    return {"greeting": f"Hello, {event['name']}!"}
