package shapes;

/** A result with fields; what is null is left out. */
public class Bill {
    public final int total;
    public final String names;
    public final Pojo.Size size;
    public final String nothing = null;

    Bill(int total, String names, Pojo.Size size) {
        this.total = total;
        this.names = names;
        this.size = size;
    }
}
