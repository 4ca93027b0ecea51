package shapes;

import com.amazonaws.services.lambda.runtime.Context;
import java.util.List;
import java.util.stream.Collectors;

/** An object in, an object out, bound by the types of the interface, through a class between. */
public class Pojo extends Billing<Pojo.Order> {
    public enum Size { SMALL, LARGE }

    public static class Item {
        private String name;
        private int count;

        public String getName() {
            return name;
        }

        public void setName(String name) {
            this.name = name;
        }

        public int getCount() {
            return count;
        }

        public void setCount(int count) {
            this.count = count;
        }
    }

    public static class Order {
        private List<Item> items;
        private Size size;

        public List<Item> getItems() {
            return items;
        }

        public void setItems(List<Item> items) {
            this.items = items;
        }

        public Size getSize() {
            return size;
        }

        public void setSize(Size size) {
            this.size = size;
        }
    }

    @Override
    public Bill handleRequest(Order order, Context context) {
        String names = order.getItems().stream().map(Item::getName).collect(Collectors.joining(","));
        return new Bill(order.getItems().stream().mapToInt(Item::getCount).sum(), names, order.getSize());
    }
}
