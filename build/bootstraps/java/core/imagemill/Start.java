package imagemill;

import java.io.File;
import java.lang.reflect.InvocationTargetException;
import java.net.URL;
import java.net.URLClassLoader;

/**
 * Starts the runtime with a class loader of its own.
 *
 * <p>The function sees the JDK and com.amazonaws.services.lambda.runtime, and nothing else of ours: its own Jackson,
 * of whatever version, is the only one that it can find.
 */
public final class Start {
    private static final String[] JARS = {
        "lambda-client.jar", "jackson-databind.jar", "jackson-core.jar", "jackson-annotations.jar"
    };

    private Start() {}

    public static void main(String[] arguments) throws Throwable {
        File folder = new File(System.getProperty("java.class.path")).getParentFile();
        URL[] jars = new URL[JARS.length];
        for (int i = 0; i < jars.length; i++) {
            jars[i] = new File(folder, JARS[i]).toURI().toURL();
        }
        ClassLoader client = new URLClassLoader(jars, ClassLoader.getSystemClassLoader());
        try {
            Class.forName("imagemill.client.Main", true, client)
                    .getMethod("main", String[].class)
                    .invoke(null, (Object) arguments);
        } catch (InvocationTargetException error) {
            throw error.getCause();
        }
    }
}
