package shapes;

import com.amazonaws.services.lambda.runtime.Context;
import com.amazonaws.services.lambda.runtime.RequestStreamHandler;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;

/** Bytes in, the same bytes in capitals out. */
public class Stream implements RequestStreamHandler {
    @Override
    public void handleRequest(InputStream input, OutputStream output, Context context) throws IOException {
        for (int c = input.read(); c >= 0; c = input.read()) {
            output.write(Character.toUpperCase(c));
        }
    }

    /** Of several methods of one name, the one with the longest signature that ends with a Context is called. */
    public String pick(String event) {
        return "one";
    }

    public String pick(String event, Context context) {
        return "two";
    }

    public static void raw(InputStream input, OutputStream output) throws IOException {
        output.write("{\"first\":".getBytes("UTF-8"));
        output.write(String.valueOf(input.read()).getBytes("UTF-8"));
        output.write('}');
    }

    public static void bytes(InputStream input, OutputStream output) throws IOException {
        output.write(new byte[] {(byte) 0xff, (byte) 0xfe});
    }

    public Sum sum(java.util.List<Integer> numbers) {
        return new Sum(numbers);
    }

    public int length(String text) {
        return text.length();
    }

    /** A result with a getter. */
    public static class Sum {
        private final java.util.List<Integer> numbers;

        Sum(java.util.List<Integer> numbers) {
            this.numbers = numbers;
        }

        public int getSum() {
            return numbers.stream().mapToInt(Integer::intValue).sum();
        }
    }
}
