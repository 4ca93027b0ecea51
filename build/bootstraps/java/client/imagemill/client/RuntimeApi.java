package imagemill.client;

import java.io.BufferedInputStream;
import java.io.ByteArrayOutputStream;
import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Map;
import java.util.TreeMap;

/**
 * The Runtime API over one connection that stays open.
 *
 * <p>Not HttpURLConnection: it closes what was idle for five seconds, follows proxies, sends a POST again by itself,
 * and brings 150 classes to every start.
 */
final class RuntimeApi {
    private static final String RUNTIME = "/2018-06-01/runtime/";
    private static final int MAX_LINE = 1 << 20;

    private final String address;
    private final Map<String, String> environment;
    private Socket socket;
    private InputStream in;
    private OutputStream out;

    /** The address is host:port, as in AWS_LAMBDA_RUNTIME_API. */
    RuntimeApi(String address, Map<String, String> environment) {
        this.address = address;
        this.environment = environment;
    }

    /** Waits for the next event, for however long that takes. */
    Invocation next() throws IOException {
        Answer answer = call("GET", "invocation/next", null, 0, "");
        if (answer.status != 200) {
            throw new IOException("the Runtime API answers " + answer.status + " to a request for the next event");
        }
        return new Invocation(answer.body, answer.headers, environment);
    }

    /** Gives the result of an invocation. What the API thinks of it (too large, too late) it tells the caller itself. */
    void respond(String id, byte[] result, int length) throws IOException {
        call("POST", "invocation/" + id + "/response", result, length, "Content-Type: application/json\r\n");
    }

    void fail(String id, Failure failure) throws IOException {
        send("invocation/" + id + "/error", failure);
    }

    void failInit(Failure failure) throws IOException {
        send("init/error", failure);
    }

    private void send(String path, Failure failure) throws IOException {
        byte[] body = failure.json().getBytes(StandardCharsets.UTF_8);
        String headers = "Content-Type: application/json\r\nLambda-Runtime-Function-Error-Type: " + failure.kind + "\r\n";
        call("POST", path, body, body.length, headers);
    }

    private Answer call(String method, String path, byte[] body, int length, String headers) throws IOException {
        boolean reused = socket != null;
        try {
            return exchange(method, path, body, length, headers);
        } catch (Unanswered error) {
            close();
            if (!reused) {
                throw error;
            }
            return exchange(method, path, body, length, headers); // it had been closed while nothing was going on
        } catch (IOException error) {
            close();
            throw error;
        }
    }

    private Answer exchange(String method, String path, byte[] body, int length, String headers) throws IOException {
        try {
            connect();
            String head = method + " " + RUNTIME + path + " HTTP/1.1\r\nHost: " + address
                    + "\r\nUser-Agent: imagemill-java\r\n" + headers
                    + (body == null ? "" : "Content-Length: " + length + "\r\n") + "\r\n";
            byte[] start = head.getBytes(StandardCharsets.US_ASCII);
            if (body == null) {
                out.write(start);
            } else if (length < 8192) { // one packet
                byte[] both = Arrays.copyOf(start, start.length + length);
                System.arraycopy(body, 0, both, start.length, length);
                out.write(both);
            } else {
                out.write(start);
                out.write(body, 0, length);
            }
        } catch (IOException error) {
            // an API that has heard enough answers before all is sent, and closes: what it said is still to be read
            if (in == null) {
                throw new Unanswered(error);
            }
        }
        String status;
        try {
            status = line();
        } catch (IOException error) {
            throw new Unanswered(error);
        }
        return answer(Integer.parseInt(status.split(" ", 3)[1]));
    }

    private void connect() throws IOException {
        if (socket == null) {
            int colon = address.lastIndexOf(':');
            socket = new Socket(address.substring(0, colon), Integer.parseInt(address.substring(colon + 1)));
            socket.setTcpNoDelay(true);
            in = new BufferedInputStream(socket.getInputStream(), 1 << 16);
            out = socket.getOutputStream();
        }
    }

    private void close() throws IOException {
        if (socket != null) {
            socket.close();
        }
        socket = null;
        in = null;
        out = null;
    }

    private Answer answer(int status) throws IOException {
        Map<String, String> headers = new TreeMap<>(String.CASE_INSENSITIVE_ORDER);
        for (String line = line(); !line.isEmpty(); line = line()) {
            int colon = line.indexOf(':');
            headers.put(line.substring(0, colon), line.substring(colon + 1).trim());
        }
        byte[] body = "chunked".equalsIgnoreCase(headers.get("Transfer-Encoding"))
                ? chunks()
                : exactly(Integer.parseInt(headers.getOrDefault("Content-Length", "0")));
        if ("close".equalsIgnoreCase(headers.get("Connection"))) {
            close();
        }
        return new Answer(status, headers, body);
    }

    private byte[] chunks() throws IOException {
        ByteArrayOutputStream body = new ByteArrayOutputStream();
        for (int size = chunk(); size > 0; size = chunk()) {
            body.write(exactly(size));
            line();
        }
        while (!line().isEmpty()) {
            continue; // trailers
        }
        return body.toByteArray();
    }

    private int chunk() throws IOException {
        return Integer.parseInt(line().split(";", 2)[0].trim(), 16);
    }

    private byte[] exactly(int size) throws IOException {
        byte[] body = new byte[size];
        for (int got = 0; got < size; ) {
            int more = in.read(body, got, size - got);
            if (more < 0) {
                throw new EOFException("the Runtime API closed the connection within an answer");
            }
            got += more;
        }
        return body;
    }

    /** A line of a head; its bytes are UTF-8, as the client context may hold. */
    private String line() throws IOException {
        ByteArrayOutputStream line = new ByteArrayOutputStream(80);
        for (int c = in.read(); c != '\n'; c = in.read()) {
            if (c < 0 || line.size() > MAX_LINE) {
                throw new EOFException("the Runtime API closed the connection");
            }
            if (c != '\r') {
                line.write(c);
            }
        }
        return line.toString("UTF-8");
    }

    private static final class Answer {
        final int status;
        final Map<String, String> headers;
        final byte[] body;

        Answer(int status, Map<String, String> headers, byte[] body) {
            this.status = status;
            this.headers = headers;
            this.body = body;
        }
    }

    /** No byte of an answer came. */
    private static final class Unanswered extends IOException {
        private static final long serialVersionUID = 1;

        Unanswered(IOException cause) {
            super(cause.getMessage(), cause);
        }
    }
}
