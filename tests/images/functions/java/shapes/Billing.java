package shapes;

import com.amazonaws.services.lambda.runtime.RequestHandler;

/** A class between the function and the interface, which knows one of its two types. */
public abstract class Billing<T> implements RequestHandler<T, Bill> {}
