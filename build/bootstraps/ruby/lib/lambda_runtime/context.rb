# frozen_string_literal: true

require 'json'

# What a handler gets as `context:`, with the names of AWS's client.
class LambdaContext
  attr_reader :aws_request_id, :invoked_function_arn, :log_group_name, :log_stream_name, :function_name,
              :memory_limit_in_mb, :function_version, :identity, :tenant_id, :client_context, :deadline_ms

  # `headers` are those of the event, by name.
  def initialize(headers, environment = ENV)
    @aws_request_id = headers['Lambda-Runtime-Aws-Request-Id']
    @deadline_ms = headers['Lambda-Runtime-Deadline-Ms'].to_i
    @invoked_function_arn = headers['Lambda-Runtime-Invoked-Function-Arn']
    @tenant_id = filled(headers['Lambda-Runtime-Aws-Tenant-Id'])
    @identity = parsed(headers['Lambda-Runtime-Cognito-Identity'])
    @client_context = parsed(headers['Lambda-Runtime-Client-Context'])
    @function_name = environment['AWS_LAMBDA_FUNCTION_NAME']
    @function_version = environment['AWS_LAMBDA_FUNCTION_VERSION']
    @memory_limit_in_mb = environment['AWS_LAMBDA_FUNCTION_MEMORY_SIZE']
    @log_group_name = environment['AWS_LAMBDA_LOG_GROUP_NAME']
    @log_stream_name = environment['AWS_LAMBDA_LOG_STREAM_NAME']
  end

  # Milliseconds until the deadline, 0 when it has passed.
  def get_remaining_time_in_millis # rubocop:disable Naming/AccessorMethodName - AWS's name
    [deadline_ms - Process.clock_gettime(Process::CLOCK_REALTIME, :millisecond), 0].max
  end

  private

  def filled(text)
    text unless text.to_s.empty?
  end

  def parsed(text)
    JSON.parse(text) if filled(text)
  end
end
