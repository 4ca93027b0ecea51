package broken;

/** A class that fails while it is made. */
public class Broken {
    public Broken() {
        throw new IllegalStateException("no init");
    }

    public String handle(Object event) {
        return "never";
    }
}
