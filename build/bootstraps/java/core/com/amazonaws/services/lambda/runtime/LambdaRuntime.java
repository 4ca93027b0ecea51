package com.amazonaws.services.lambda.runtime;

/** Where code without a {@link Context} finds the logger. */
public final class LambdaRuntime {
    /** Set by the runtime, by its name. */
    private static volatile LambdaLogger logger = new LambdaLogger() {
        @Override
        public void log(String message) {
            System.out.print(message);
        }

        @Override
        public void log(byte[] message) {
            System.out.write(message, 0, message.length);
        }
    };

    private LambdaRuntime() {}

    public static LambdaLogger getLogger() {
        return logger;
    }
}
