package imagemill.client;

import java.io.PrintWriter;
import java.io.StringWriter;
import java.util.Arrays;
import java.util.Collections;
import java.util.IdentityHashMap;
import java.util.Set;

/**
 * What is told of an invocation, or of the start, that failed.
 *
 * <p>Kinds and texts are those of AWS's runtime: BadFunctionCode where the function cannot be called at all,
 * UserException for what it throws.
 */
final class Failure extends RuntimeException {
    private static final long serialVersionUID = 1;
    private static final String OURS = Failure.class.getPackage().getName() + ".";

    final String kind;
    /** Whether the process ends: the function can never be called. */
    final boolean fatal;

    private final String message;
    private final String type; // null: none is told
    private final Throwable thrown;

    private Failure(String kind, String message, String type, Throwable thrown, boolean fatal) {
        super(message, thrown, false, false);
        this.kind = kind;
        this.message = message;
        this.type = type;
        this.thrown = thrown;
        this.fatal = fatal;
    }

    /** The function cannot be called: there is no such class or method, or none of a shape that is known. */
    static Failure uncallable(String message) {
        return new Failure("Runtime.BadFunctionCode", message, null, null, false);
    }

    static Failure uncallable(String message, Throwable thrown, boolean fatal) {
        return new Failure("Runtime.BadFunctionCode", message, thrown.getClass().getName(), trimmed(thrown), fatal);
    }

    /** What the function threw. The process goes on but where the JVM itself is broken. */
    static Failure of(Throwable thrown) {
        if (thrown instanceof Failure) {
            return (Failure) thrown;
        }
        boolean fatal = thrown instanceof VirtualMachineError || thrown instanceof java.io.IOError;
        return new Failure("Runtime.UserException", text(thrown), thrown.getClass().getName(), trimmed(thrown), fatal);
    }

    static String text(Throwable thrown) {
        String message = thrown.getLocalizedMessage();
        return message == null ? thrown.getClass().getName() : message;
    }

    /** The error as the caller gets it. */
    String json() {
        StringBuilder json = new StringBuilder("{\"errorMessage\":").append(quoted(message));
        if (type != null) {
            json.append(",\"errorType\":").append(quoted(type));
        }
        if (kind.equals("Runtime.UserException")) {
            stack(json, thrown);
            causes(json, thrown, Collections.newSetFromMap(new IdentityHashMap<>()));
        }
        return json.append('}').toString();
    }

    private static void stack(StringBuilder json, Throwable thrown) {
        json.append(",\"stackTrace\":[");
        String comma = "";
        for (StackTraceElement frame : thrown.getStackTrace()) {
            json.append(comma).append(quoted(frame.toString()));
            comma = ",";
        }
        json.append(']');
    }

    private static void causes(StringBuilder json, Throwable thrown, Set<Throwable> told) {
        Throwable cause = thrown.getCause();
        if (cause == null || !told.add(thrown)) {
            return;
        }
        json.append(",\"cause\":{\"errorMessage\":").append(quoted(text(cause)));
        json.append(",\"errorType\":").append(quoted(cause.getClass().getName()));
        stack(json, cause);
        causes(json, cause, told);
        json.append('}');
    }

    /** The error as it is logged. */
    String report() {
        if (thrown == null) {
            return message + "\n";
        }
        StringWriter trace = new StringWriter();
        thrown.printStackTrace(new PrintWriter(trace, true));
        return message + ": " + type + "\n" + trace + "\n";
    }

    /** The same throwable without the frames from this runtime on, and its causes likewise. */
    private static Throwable trimmed(Throwable thrown) {
        Set<Throwable> done = Collections.newSetFromMap(new IdentityHashMap<>());
        for (Throwable one = thrown; one != null && done.add(one); one = one.getCause()) {
            StackTraceElement[] frames = one.getStackTrace();
            int end = 0;
            while (end < frames.length && !frames[end].getClassName().startsWith(OURS)) {
                end++;
            }
            one.setStackTrace(Arrays.copyOf(frames, end));
        }
        return thrown;
    }

    /** A JSON string. An error must get out even where Jackson cannot be loaded any more. */
    static String quoted(String text) {
        StringBuilder json = new StringBuilder(text.length() + 2).append('"');
        for (char c : text.toCharArray()) {
            if (c == '"' || c == '\\') {
                json.append('\\').append(c);
            } else if (c < 0x20 || Character.isSurrogate(c)) {
                json.append(String.format("\\u%04x", (int) c));
            } else {
                json.append(c);
            }
        }
        return json.append('"').toString();
    }
}
