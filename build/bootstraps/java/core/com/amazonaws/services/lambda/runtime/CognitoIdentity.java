package com.amazonaws.services.lambda.runtime;

/** Who calls, where Amazon Cognito knows. */
public interface CognitoIdentity {
    String getIdentityId();

    String getIdentityPoolId();
}
