package cases;

import com.amazonaws.services.lambda.runtime.ClientContext;
import com.amazonaws.services.lambda.runtime.CognitoIdentity;
import com.amazonaws.services.lambda.runtime.Context;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** How every Java runtime is tried: plain methods. */
public class Cases {
    public Object echo(Object event) {
        return event;
    }

    public String fail(Object event) {
        throw new Custom("no");
    }

    /** An exception outside the handler's own flow. */
    public String unhandled(Object event) throws InterruptedException {
        Thread thread = new Thread(() -> {
            throw new Custom("no");
        });
        thread.start();
        thread.join();
        return "still here";
    }

    public String leave(Map<String, Object> event) {
        if (Boolean.TRUE.equals(event.get("leave"))) {
            System.exit(42);
        }
        return "still here";
    }

    public long slow(Map<String, Number> event) throws Exception {
        sleep(event);
        return Long.parseLong(new java.io.File("/proc/self").getCanonicalFile().getName());
    }

    public Map<String, Object> context(Object event, Context context) {
        Map<String, Object> found = new LinkedHashMap<>();
        found.put("name", context.getFunctionName());
        found.put("version", context.getFunctionVersion());
        found.put("memory", context.getMemoryLimitInMB());
        found.put("request_id", context.getAwsRequestId());
        found.put("arn", context.getInvokedFunctionArn());
        found.put("log_group", context.getLogGroupName());
        found.put("log_stream", context.getLogStreamName());
        found.put("remaining", context.getRemainingTimeInMillis());
        CognitoIdentity identity = context.getIdentity();
        found.put("identity", identity == null ? null : identity.getIdentityId());
        ClientContext client = context.getClientContext();
        found.put("client_context", client == null ? null : client.getCustom());
        return found;
    }

    public Map<String, String> environment() {
        return System.getenv();
    }

    /** A class that only the layer has. */
    public Object layers() throws ReflectiveOperationException {
        return Class.forName("layer.Library").getMethod("name").invoke(null);
    }

    public String large(Map<String, Integer> event) {
        char[] text = new char[event.get("bytes")];
        Arrays.fill(text, 'x');
        return new String(text);
    }

    public String unicode(String event) {
        return "äöü €𝄞" + event;
    }

    public int huge(Map<String, String> event) {
        return event.get("text").length();
    }

    /** A class in a class. */
    public static class Nested {
        public Object echo(Object event) {
            return event;
        }
    }

    public String binary() {
        System.out.write(new byte[] {(byte) 0xff, (byte) 0xfe, '\n'}, 0, 3);
        return "printed";
    }

    public List<Integer> remaining(Map<String, Number> event, Context context) throws InterruptedException {
        int before = context.getRemainingTimeInMillis();
        sleep(event);
        return Arrays.asList(before, context.getRemainingTimeInMillis());
    }

    public void log(Object event, Context context) {
        context.getLogger().log("noted");
        System.out.println("noted");
    }

    private static void sleep(Map<String, Number> event) throws InterruptedException {
        Thread.sleep((long) (event.get("seconds").doubleValue() * 1000));
    }
}
