package imagemill.client;

import java.io.File;
import java.net.MalformedURLException;
import java.net.URL;
import java.net.URLClassLoader;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/** Where the function's classes come from, in this order. */
final class ClassPath {
    private ClassPath() {}

    /**
     * The function's class loader: its classes, its lib/*.jar, those of layers in lib below {@code layers}, and, where
     * nothing else has a class, jars beside the function's classes. Jars are sorted by name.
     */
    static URLClassLoader loader(String task, String layers) throws MalformedURLException {
        List<URL> places = new ArrayList<>();
        places.add(new File(task + "/").toURI().toURL());
        jars(new File(task, "lib"), places);
        jars(new File(layers, "lib"), places);
        jars(new File(task), places);
        return new URLClassLoader(places.toArray(new URL[0]), ClassLoader.getSystemClassLoader());
    }

    private static void jars(File folder, List<URL> places) throws MalformedURLException {
        String[] names = folder.list((parent, name) -> name.endsWith(".jar") && name.length() > 4);
        if (names == null) {
            return; // no such folder
        }
        Arrays.sort(names);
        for (String name : names) {
            places.add(new File(folder, name).toURI().toURL());
        }
    }
}
