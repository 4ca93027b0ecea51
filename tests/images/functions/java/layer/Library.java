package layer;

/** What a layer brings. */
public class Library {
    public static String name() {
        return "from a layer";
    }
}
