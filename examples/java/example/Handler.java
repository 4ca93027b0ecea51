package example;

import java.util.Collections;
import java.util.Map;

/** Greets whom the event names: {"name": "x"} becomes {"greeting": "Hello, x!"}. */
public class Handler {
    public Map<String, String> handleRequest(Map<String, String> event) {
        return Collections.singletonMap("greeting", "Hello, " + event.getOrDefault("name", "world") + "!");
    }
}
