package imagemill.client;

import com.amazonaws.services.lambda.runtime.LambdaLogger;
import com.amazonaws.services.lambda.runtime.logging.LogFormat;
import com.amazonaws.services.lambda.runtime.logging.LogLevel;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.Arrays;

/** The function's log, in lines of text or of JSON. */
final class Log implements LambdaLogger {
    private final PrintStream out;
    private final LogFormat format;
    private final LogLevel least;
    private volatile String request;

    Log(PrintStream out, LogFormat format, LogLevel least) {
        this.out = out;
        this.format = format;
        this.least = least;
    }

    /** The id that lines of JSON have from now on. */
    void request(String id) {
        request = id;
    }

    @Override
    public void log(String message) {
        log(message, LogLevel.UNDEFINED);
    }

    @Override
    public void log(byte[] message) {
        log(message, LogLevel.UNDEFINED);
    }

    @Override
    public void log(byte[] message, LogLevel level) {
        if (format == LogFormat.TEXT && level == LogLevel.UNDEFINED) {
            write(message); // whatever it is encoded in
        } else {
            log(new String(message, StandardCharsets.UTF_8), level);
        }
    }

    @Override
    public void log(String message, LogLevel level) {
        if (level != LogLevel.UNDEFINED && level.compareTo(least) < 0) {
            return;
        }
        String line = format == LogFormat.JSON
                ? json(message, level)
                : level == LogLevel.UNDEFINED ? message : "[" + level + "] " + message;
        write(line.getBytes(StandardCharsets.UTF_8));
    }

    private String json(String message, LogLevel level) {
        String time = Instant.now().truncatedTo(ChronoUnit.MILLIS).toString();
        String id = request;
        return "{\"timestamp\":\"" + time + "\",\"message\":" + Failure.quoted(message) + ",\"level\":\"" + level + "\""
                + (id == null ? "" : ",\"AWSRequestId\":" + Failure.quoted(id)) + "}";
    }

    /** One write a line: on AWS each message is an entry of its own, with a line break or without. */
    private void write(byte[] message) {
        boolean ended = message.length > 0 && message[message.length - 1] == '\n';
        byte[] line = message;
        if (!ended) {
            line = Arrays.copyOf(message, message.length + 1);
            line[message.length] = '\n';
        }
        out.write(line, 0, line.length);
    }
}
