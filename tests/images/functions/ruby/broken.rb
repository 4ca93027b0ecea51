# frozen_string_literal: true

raise 'no init'
