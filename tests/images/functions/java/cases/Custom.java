package cases;

/** An error of the function's own. */
public class Custom extends RuntimeException {
    private static final long serialVersionUID = 1;

    public Custom(String message) {
        super(message);
    }
}
