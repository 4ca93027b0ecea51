# frozen_string_literal: true

require 'native'

def handler(event:, context:)
  Native.answer
end
