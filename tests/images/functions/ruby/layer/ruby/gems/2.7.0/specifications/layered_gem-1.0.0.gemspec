# frozen_string_literal: true

Gem::Specification.new do |spec|
  spec.name = 'layered_gem'
  spec.version = '1.0.0'
  spec.authors = ['imagemill']
  spec.summary = 'A gem in a layer'
  spec.require_paths = ['lib']
  spec.files = ['lib/layered_gem.rb']
end
