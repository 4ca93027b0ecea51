# frozen_string_literal: true

require_relative 'api'
require_relative 'context'
require_relative 'failure'
require_relative 'handler'
require_relative 'log'

module LambdaRuntime
  # One function's life: it is loaded, then it answers events until it is told to end.
  class Runtime
    # Exit statuses, those of AWS's client.
    LOADING_FAILED = -4
    ANSWERING_FAILED = -2
    CRITICAL = -1

    def initialize(api, handler, root)
      @api = api
      @name = handler
      @root = root
    end

    # Returns the exit status, when there is nothing to go on with.
    def run
      handler = load_handler or return LOADING_FAILED
      loop do
        status = answer(handler, @api.next_event)
        return status if status
      end
    end

    private

    def load_handler
      LambdaHandler.new(@name).tap { |handler| handler.load(@root) }
    rescue SignalException
      raise
    rescue Exception => e # rubocop:disable Lint/RescueException - syntax errors and `exit` are reported too
      failed("Init error when loading handler #{@name}", nil, e, 'Init')
      nil
    end

    # Answers one event. Returns an exit status if this process cannot be trusted with another one.
    def answer(handler, request)
      Log.request_id = id = request['Lambda-Runtime-Aws-Request-Id']
      ENV['_X_AMZN_TRACE_ID'] = request['Lambda-Runtime-Trace-Id']
      body, type = handler.call(AwsLambda::Marshaller.marshall_request(request), LambdaContext.new(request))
      reported { @api.respond(id, body, type) }
    rescue SignalException
      raise
    rescue NameError => e # as AWS's client: the code is wrong, not the event
      failed('Critical exception from handler', id, e) || CRITICAL
    rescue StandardError => e
      failed('Error raised from handler method', id, e)
    rescue Exception => e # rubocop:disable Lint/RescueException - nobody else would answer
      failed('Critical exception from handler', id, e) || CRITICAL
    end

    # Logs and reports an error. Returns an exit status if it cannot be reported.
    def failed(text, id, error, phase = 'Function')
      failure = Failure.new(error, phase)
      Log.error(text, failure)
      reported { @api.fail(id, failure) }
    end

    # Sends what the block sends, after the function's output. Returns an exit status if that fails.
    def reported
      $stdout.flush
      $stderr.flush
      yield
      nil
    rescue IOError, SystemCallError, Timeout::Error, Net::ProtocolError => e
      warn "the Runtime API took no answer: #{e.message}"
      ANSWERING_FAILED
    end
  end
end
