package imagemill.client;

import com.amazonaws.services.lambda.runtime.Context;
import java.io.ByteArrayOutputStream;

/** A function that can be called. */
interface Function {
    /** Handles an event; writes its result, JSON or not, to {@code result}. */
    void call(byte[] event, ByteArrayOutputStream result, Context context) throws Throwable;
}
