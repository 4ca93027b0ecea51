# frozen_string_literal: true

# A gem as a layer brings it in ruby/gems.
module LayeredGem
  NAME = 'a gem of a layer'
end
