# frozen_string_literal: true

# A handler below the top of the task, in a namespace.
module Nested
  class Deeper
    def self.handler(event:, context:)
      event
    end
  end
end
