package imagemill.client;

import java.lang.reflect.ParameterizedType;
import java.lang.reflect.Type;
import java.lang.reflect.TypeVariable;
import java.util.Arrays;

/** What a class has for the type parameters of an interface, however far up it is implemented. */
final class Generics {
    private Generics() {}

    /** The types in the place of the interface's parameters; null where they are not known, as of a raw type. */
    static Type[] arguments(Class<?> type, Class<?> wanted) {
        return search(type, new Type[0], wanted);
    }

    private static Type[] search(Class<?> type, Type[] given, Class<?> wanted) {
        for (Type parent : parents(type)) {
            Class<?> raw = raw(parent);
            if (raw == null || !wanted.isAssignableFrom(raw)) {
                continue;
            }
            Type[] arguments = parent instanceof ParameterizedType
                    ? ((ParameterizedType) parent).getActualTypeArguments()
                    : new Type[0];
            Type[] known = Arrays.stream(arguments).map(one -> known(one, type, given)).toArray(Type[]::new);
            Type[] found = raw == wanted ? known : search(raw, known, wanted);
            if (found != null && found.length > 0 && Arrays.stream(found).allMatch(Generics::concrete)) {
                return found;
            }
        }
        return null;
    }

    private static Type[] parents(Class<?> type) {
        Type[] parents = Arrays.copyOf(type.getGenericInterfaces(), type.getGenericInterfaces().length + 1);
        parents[parents.length - 1] = type.getGenericSuperclass();
        return parents;
    }

    private static Class<?> raw(Type type) {
        Type raw = type instanceof ParameterizedType ? ((ParameterizedType) type).getRawType() : type;
        return (Class<?>) raw;
    }

    /** A variable of {@code type} becomes what was given for it, or, where nothing was, its first bound. */
    private static Type known(Type argument, Class<?> type, Type[] given) {
        if (!(argument instanceof TypeVariable)) {
            return argument;
        }
        int number = Arrays.asList(type.getTypeParameters()).indexOf(argument);
        if (number >= 0 && number < given.length) {
            return given[number];
        }
        Type bound = ((TypeVariable<?>) argument).getBounds()[0];
        return bound == Object.class ? argument : bound;
    }

    private static boolean concrete(Type type) {
        return !(type instanceof TypeVariable);
    }
}
