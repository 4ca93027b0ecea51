# frozen_string_literal: true

require 'json'

module LambdaRuntime
  # An exception as the Runtime API is told of it: `Function<Class>`, or `Init<Class>` while the function loads.
  class Failure
    # Types that are reported by their names; any other is `Function<UserException>` (AWS's client does the same).
    REPORTED = %w[ArgumentError NoMethodError Exception StandardError NameError LoadError SystemExit
                  SystemStackError].freeze
    FRAMES = 100
    XRAY_FRAMES = 15
    private_constant :REPORTED, :FRAMES, :XRAY_FRAMES

    def initialize(error, phase = 'Function')
      @type = error.class.to_s
      @full_type = "#{phase}<#{@type}>"
      @message = Failure.readable(error.message)
      # the function's own frames; below the first one of ours are only ours
      frames = (error.backtrace_locations || []).first(FRAMES)
      @frames = frames.take_while { |frame| !frame.to_s.start_with?('/var/runtime/lib') }
    end

    # Text as UTF-8, whatever bytes it has.
    def self.readable(text)
      text = text.to_s
      text = text.dup.force_encoding(Encoding::UTF_8) if text.encoding == Encoding::BINARY
      text.encode(Encoding::UTF_8, invalid: :replace, undef: :replace).scrub
    end

    # The type that goes into the header.
    def reported_type
      REPORTED.include?(@type) ? @full_type : 'Function<UserException>'
    end

    def to_h
      { errorMessage: @message, errorType: @full_type, stackTrace: @frames.map(&:to_s) }
    end

    def to_json(*arguments)
      to_h.to_json(*arguments)
    end

    # The cause for X-Ray, as JSON.
    def xray_cause
      stack = @frames.first(XRAY_FRAMES).map { |frame| { path: frame.path, line: frame.lineno, label: frame.label } }
      JSON.generate(
        working_directory: Dir.pwd,
        paths: Gem.path,
        exceptions: [{ message: @message, type: @full_type, stack: stack }]
      )
    end
  end
end
