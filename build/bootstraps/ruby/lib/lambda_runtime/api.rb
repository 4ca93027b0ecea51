# frozen_string_literal: true

require 'json'
require 'net/http'

module LambdaRuntime
  # The Runtime API, on one connection that stays open.
  class Api
    VERSION = '2018-06-01'
    PLACE = "/#{VERSION}/runtime"
    JSON_TYPE = 'application/json'
    # What the API takes as a header at most, in bytes.
    CAUSE_LIMIT = 1024 * 1024

    # Raised when the API does not give an event, which only happens when this process is to end.
    class Gone < StandardError; end

    # `address` is host:port.
    def initialize(address)
      host, _, port = address.rpartition(':')
      @http = Net::HTTP.new(host, port.to_i, nil) # nil: a proxy of the function's is not for this
      @http.read_timeout = nil
      @http.keep_alive_timeout = 1_000_000
      @http.max_retries = 0
    end

    # The next event, as a response with its headers, whenever it comes.
    def next_event
      answer = send_request(Net::HTTP::Get.new("#{PLACE}/invocation/next", 'Accept-Encoding' => 'identity'))
      raise Gone, "the Runtime API answered #{answer.code}" unless answer.is_a?(Net::HTTPSuccess)

      answer
    end

    # Answer an event. `body` is a string, or an IO of bytes.
    def respond(request_id, body, type)
      body = body.read if body.respond_to?(:read)
      post("invocation/#{request_id}/response", body.to_s, 'Content-Type' => type)
    end

    # Report an error: of an event, or of the function as it loads when `request_id` is nil.
    def fail(request_id, error)
      headers = { 'Content-Type' => JSON_TYPE, 'Lambda-Runtime-Function-Error-Type' => error.reported_type }
      if request_id
        cause = error.xray_cause
        headers['Lambda-Runtime-Function-XRay-Error-Cause'] = cause if cause.bytesize < CAUSE_LIMIT
      end
      post(request_id ? "invocation/#{request_id}/error" : 'init/error', error.to_json, headers)
    end

    private

    def post(place, body, headers)
      request = Net::HTTP::Post.new("#{PLACE}/#{place}", headers)
      request.body = body
      send_request(request)
    end

    def send_request(request)
      request['User-Agent'] = "aws-lambda-ruby/#{RUBY_VERSION}"
      @http.start unless @http.started?
      @http.request(request)
    end
  end
end
