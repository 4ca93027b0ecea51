# frozen_string_literal: true

require 'json'
require 'logger'
require 'time'

module LambdaRuntime
  # Ruby's Logger as functions know it: every line has the request's id, or is a JSON object.
  module Log
    LEVELS = { 'TRACE' => 'DEBUG', 'DEBUG' => 'DEBUG', 'INFO' => 'INFO', 'WARN' => 'WARN', 'ERROR' => 'ERROR',
               'FATAL' => 'FATAL' }.freeze
    private_constant :LEVELS

    class << self
      # The id of the event at hand, nil while the function loads.
      attr_accessor :request_id
      attr_reader :formatter, :level

      # Have output written at once and loggers write in the format that `environment` asks for.
      def install(environment)
        $stdout.sync = $stderr.sync = true
        json = environment['AWS_LAMBDA_LOG_FORMAT'].to_s.casecmp?('json')
        @formatter = json ? JsonLine.new : TextLine.new
        @level = LEVELS[environment['AWS_LAMBDA_LOG_LEVEL'].to_s.upcase] if json
        Logger.prepend(OnConsole)
      end

      # Write about an error of the function.
      def error(text, failure)
        return puts(text, JSON.pretty_generate(failure.to_h)) unless formatter.is_a?(JsonLine)

        puts formatter.line('ERROR', Time.now, failure.to_h)
      end
    end

    # Loggers that write to the console, made after this is in place.
    module OnConsole
      def initialize(device = nil, *rest, formatter: nil, level: nil, **options)
        level ||= Log.level || Logger::DEBUG
        formatter ||= Log.formatter if [$stdout, $stderr].include?(device)
        super(device, *rest, formatter: formatter, level: level, **options)
      end
    end

    # The format of AWS's client: that of Logger with the request's id in it.
    class TextLine < Logger::Formatter
      def call(severity, time, progname, message)
        head = "#{severity[0]}, [#{format_datetime(time)} ##{Process.pid}] #{severity.rjust(5)} #{Log.request_id}"
        "#{head} -- #{progname}: #{Failure.readable(msg2str(message))}\n"
      end
    end

    # One JSON object a line.
    class JsonLine
      def call(severity, time, _progname, message)
        case message
        when Hash then line(severity, time, message: message)
        when Exception then line(severity, time, Failure.new(message).to_h)
        else line(severity, time, message: Failure.readable(message))
        end
      end

      # The line for these fields, with its end.
      def line(severity, time, fields)
        stamp = time.utc.iso8601(3)
        "#{JSON.generate({ timestamp: stamp, level: severity, requestId: Log.request_id }.compact.merge(fields))}\n"
      end
    end
  end
end
