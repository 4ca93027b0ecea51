package com.amazonaws.services.lambda.runtime;

/** A handler whose event and result are objects, bound to JSON by their types. */
public interface RequestHandler<I, O> {
    O handleRequest(I input, Context context);
}
