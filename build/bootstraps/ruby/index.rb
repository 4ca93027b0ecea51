# frozen_string_literal: true

# Runs the function that _HANDLER names: loads it, then answers one event after the other.

require_relative 'lib/lambda_runtime/runtime'

environment = ENV.to_h
LambdaRuntime::Log.install(environment)
api = LambdaRuntime::Api.new(environment.fetch('AWS_LAMBDA_RUNTIME_API'))
root = environment.fetch('LAMBDA_TASK_ROOT', Dir.pwd)
exit LambdaRuntime::Runtime.new(api, environment.fetch('_HANDLER'), root).run
