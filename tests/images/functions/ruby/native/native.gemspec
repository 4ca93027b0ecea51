# frozen_string_literal: true

Gem::Specification.new do |spec|
  spec.name = 'native'
  spec.version = '1.0.0'
  spec.authors = ['imagemill']
  spec.summary = 'A gem whose code is compiled where it is installed'
  spec.files = Dir['ext/**/*']
  spec.extensions = ['ext/native/extconf.rb']
end
