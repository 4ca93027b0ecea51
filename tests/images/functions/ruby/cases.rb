# frozen_string_literal: true

# Handlers for the behaviour that every runtime shares.

require 'logger'

module Cases
  class Custom < StandardError; end

  # A handler in a namespace.
  class Nested
    def self.handler(event:, context:)
      [event, context.class.to_s]
    end
  end
end

def echo(event:, context:)
  event
end

def fail_custom(event:, context:)
  raise Cases::Custom, 'no'
end

# Nothing of a handler's own flow can be left unhandled in Ruby but what is no StandardError.
def unhandled(event:, context:)
  raise Exception, 'no' # rubocop:disable Lint/RaiseException
end

def leave(event:, context:)
  exit!(42) if event['leave']
  'still here'
end

# `exit` raises SystemExit, which the client reports.
def quit(event:, context:)
  exit(42)
end

def slow(event:, context:)
  sleep event['seconds']
  Process.pid
end

def context(event:, context:)
  {
    name: context.function_name, version: context.function_version, memory: context.memory_limit_in_mb,
    request_id: context.aws_request_id, arn: context.invoked_function_arn, log_group: context.log_group_name,
    log_stream: context.log_stream_name, remaining: context.get_remaining_time_in_millis,
    identity: context.identity, client_context: context.client_context, deadline: context.deadline_ms
  }
end

def environment(event:, context:)
  ENV.to_h
end

def layers(event:, context:)
  require 'layered_library'
  require 'layered_gem'
  [LayeredLibrary::NAME, LayeredGem::NAME]
end

def large(event:, context:)
  'x' * event['bytes']
end

def unicode(event:, context:)
  "äöü €𝄞#{event}"
end

def huge(event:, context:)
  event['text'].length
end

def binary(event:, context:)
  $stdout.write "\xff\xfe\x00\x80\n".b
  'printed'
end

# An IO is answered as it is.
def bytes(event:, context:)
  StringIO.new("\xff\xfe".b)
end

def remaining(event:, context:)
  first = context.get_remaining_time_in_millis
  sleep event['seconds']
  [first, context.get_remaining_time_in_millis]
end

def log(event:, context:)
  Logger.new($stdout).info('noted')
  puts 'noted'
end

def sdk(event:, context:)
  require 'aws-sdk-s3'
  Aws::S3::Client.new(region: 'eu-west-1', stub_responses: true).list_buckets.buckets.to_a
end
