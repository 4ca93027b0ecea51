package com.amazonaws.services.lambda.runtime;

import java.util.Map;

/** What a client tells a function about itself, in the header X-Amz-Client-Context. */
public interface ClientContext {
    Client getClient();

    Map<String, String> getCustom();

    Map<String, String> getEnvironment();
}
