# frozen_string_literal: true

require 'json'
require 'stringio'

module AwsLambda
  # How events and answers are read and written; functions may redefine these two, as with AWS's client.
  class Marshaller
    class << self
      # The event of a response of the Runtime API: parsed when it is JSON, else its bytes.
      def marshall_request(raw_request)
        return raw_request.body unless raw_request['Content-Type'] == 'application/json'

        JSON.parse(raw_request.body)
      end

      # The answer's body and its content type; without a type it is JSON.
      def marshall_response(method_response)
        case method_response
        when StringIO, IO then [method_response, 'application/unknown']
        else method_response.to_json
        end
      end
    end
  end
end

# The function: `file.method`, or `file.Module::Class.method`. Errors name this class, as they do with AWS's client.
class LambdaHandler
  def initialize(name)
    @file, *owner, @method = parts = name.split('.')
    @owner = owner.first
    return if [2, 3].include?(parts.size)

    raise ArgumentError, "Invalid handler #{parts}, must be of form FILENAME.METHOD or FILENAME.CLASS.METHOD where " \
                         'FILENAME corresponds with an existing Ruby source file FILENAME.rb, CLASS is an optional ' \
                         'module/class namespace and METHOD is a callable method. If using CLASS, METHOD must be a ' \
                         'class-level method.'
  end

  # Load the file, from `root` or wherever Ruby finds it.
  def load(root)
    $LOAD_PATH.unshift(root) unless $LOAD_PATH.include?(root)
    require @file
  end

  # Body and content type of the answer to an event.
  def call(event, context)
    arguments = { event: event, context: context }
    # a method at the top of a file is a private one of every object
    answer = @owner ? Kernel.const_get(@owner).send(@method, **arguments) : __send__(@method, **arguments)
    body, type = AwsLambda::Marshaller.marshall_response(answer)
    [body, type || 'application/json']
  end
end
