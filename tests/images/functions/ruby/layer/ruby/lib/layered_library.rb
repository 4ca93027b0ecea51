# frozen_string_literal: true

# A library as a layer brings it in ruby/lib.
module LayeredLibrary
  NAME = 'a library of a layer'
end
