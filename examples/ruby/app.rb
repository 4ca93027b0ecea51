# frozen_string_literal: true

# The smallest Lambda function: greets whom the event names.
def handler(event:, context:)
  puts "request #{context.aws_request_id}"
  { greeting: "Hello, #{event['name']}!" }
end
