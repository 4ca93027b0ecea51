package imagemill.client;

import com.amazonaws.services.lambda.runtime.LambdaLogger;
import com.amazonaws.services.lambda.runtime.LambdaRuntime;
import com.amazonaws.services.lambda.runtime.LambdaRuntimeInternal;
import com.amazonaws.services.lambda.runtime.logging.LogFormat;
import com.amazonaws.services.lambda.runtime.logging.LogLevel;
import java.io.ByteArrayOutputStream;
import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.lang.reflect.Field;
import java.lang.reflect.Method;
import java.net.URLClassLoader;
import java.util.Map;

/** Loads the function, then handles one event after another until the process is ended. */
public final class Main {
    private static final String TRACE = "com.amazonaws.xray.traceHeader"; // where the X-Ray SDK looks
    private static final int KEPT = 1 << 20;

    private final RuntimeApi api;
    private final Log log;
    private final ClassLoader loader;
    private ByteArrayOutputStream result = new ByteArrayOutputStream(1024);

    private Main(RuntimeApi api, Log log, ClassLoader loader) {
        this.api = api;
        this.log = log;
        this.loader = loader;
    }

    public static void main(String[] arguments) throws Exception {
        Map<String, String> environment = System.getenv();
        // as they are: unbuffered, so that nothing is lost where the process ends, and text always UTF-8
        System.setOut(new PrintStream(new FileOutputStream(FileDescriptor.out), false, "UTF-8"));
        System.setErr(new PrintStream(new FileOutputStream(FileDescriptor.err), false, "UTF-8"));
        Log log = new Log(
                System.out,
                LogFormat.fromString(environment.getOrDefault("AWS_LAMBDA_LOG_FORMAT", "TEXT")),
                LogLevel.fromString(environment.getOrDefault("AWS_LAMBDA_LOG_LEVEL", "UNDEFINED")));
        publish(log);
        String task = environment.getOrDefault("LAMBDA_TASK_ROOT", "/var/task");
        URLClassLoader loader = ClassPath.loader(task, "/opt/java");
        Thread.currentThread().setContextClassLoader(loader);
        RuntimeApi api = new RuntimeApi(environment.get("AWS_LAMBDA_RUNTIME_API"), environment);
        new Main(api, log, loader).run(arguments.length > 0 ? arguments[0] : "");
    }

    private void run(String handler) throws IOException {
        Function function;
        try {
            function = new Handlers(loader).load(handler);
        } catch (Failure failure) {
            if (failure.fatal) {
                report(failure);
                api.failInit(failure);
                leave();
            }
            function = (event, result, context) -> {
                throw failure; // told for every event: that is what the caller sees
            };
        }
        while (true) {
            handle(function, api.next());
        }
    }

    private void handle(Function function, Invocation invocation) throws IOException {
        String id = invocation.getAwsRequestId();
        log.request(id);
        trace(invocation.getXrayTraceId());
        tellLog4j(id);
        result.reset();
        Failure failure = null;
        try {
            function.call(invocation.event, result, invocation);
        } catch (Throwable thrown) {
            failure = Failure.of(thrown);
        }
        Thread.interrupted(); // what the function set is its own
        if (failure == null) {
            flush();
            api.respond(id, result.toByteArray(), result.size());
        } else {
            report(failure);
            api.fail(id, failure);
            if (failure.fatal) {
                leave();
            }
        }
        if (result.size() > KEPT) { // one large result is no reason to hold its memory
            result = new ByteArrayOutputStream(1024);
        }
    }

    private void report(Failure failure) {
        log.log(failure.report(), LogLevel.UNDEFINED);
        flush();
    }

    private static void flush() {
        System.out.flush();
        System.err.flush();
    }

    /** Ends the process, whatever threads the function has left behind. */
    private static void leave() {
        System.exit(1);
    }

    private static void trace(String id) {
        if (id == null || id.isEmpty()) {
            System.clearProperty(TRACE);
        } else {
            System.setProperty(TRACE, id);
        }
    }

    /** The request id for log4j's own context, for functions with aws-lambda-java-log4j2. */
    private void tellLog4j(String id) {
        if (!LambdaRuntimeInternal.getUseLog4jAppender()) {
            return;
        }
        try {
            Class<?> context = Class.forName("org.apache.logging.log4j.ThreadContext", true, loader);
            Method put = context.getMethod("put", String.class, String.class);
            put.invoke(null, "AWSRequestId", id);
        } catch (ReflectiveOperationException error) {
            System.err.println("Customer using log4j appender but unable to load "
                    + "org.apache.logging.log4j.ThreadContext. Customer cannot see RequestId in log4j log lines.");
        }
    }

    private static void publish(LambdaLogger logger) throws ReflectiveOperationException {
        Field field = LambdaRuntime.class.getDeclaredField("logger");
        field.setAccessible(true);
        field.set(null, logger);
    }
}
