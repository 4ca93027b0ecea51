package com.amazonaws.services.lambda.runtime;

/** What a function can ask about its invocation. The binary form is that of aws-lambda-java-core. */
public interface Context {
    String getAwsRequestId();

    String getLogGroupName();

    String getLogStreamName();

    String getFunctionName();

    String getFunctionVersion();

    String getInvokedFunctionArn();

    /** Null where no one is known. */
    CognitoIdentity getIdentity();

    /** Null where the client told nothing. */
    ClientContext getClientContext();

    int getRemainingTimeInMillis();

    int getMemoryLimitInMB();

    LambdaLogger getLogger();

    /** Null outside of functions with tenants. */
    default String getTenantId() {
        return null;
    }

    default String getXrayTraceId() {
        return null;
    }
}
