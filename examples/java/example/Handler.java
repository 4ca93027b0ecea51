package example;

import com.amazonaws.services.lambda.runtime.Context;
import com.amazonaws.services.lambda.runtime.RequestHandler;
import java.util.Collections;
import java.util.Map;

/** Greets whom the event names: {"name": "x"} becomes {"greeting": "Hello, x!"}. */
public class Handler implements RequestHandler<Map<String, String>, Map<String, String>> {
    @Override
    public Map<String, String> handleRequest(Map<String, String> event, Context context) {
        return Collections.singletonMap("greeting", "Hello, " + event.getOrDefault("name", "world") + "!");
    }
}
