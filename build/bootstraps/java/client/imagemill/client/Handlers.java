package imagemill.client;

import com.amazonaws.services.lambda.runtime.Context;
import com.amazonaws.services.lambda.runtime.RequestHandler;
import com.amazonaws.services.lambda.runtime.RequestStreamHandler;
import java.io.ByteArrayInputStream;
import java.io.InputStream;
import java.io.OutputStream;
import java.lang.reflect.Constructor;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.lang.reflect.Modifier;
import java.lang.reflect.Type;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Comparator;

/**
 * From the name of a handler to what can be called.
 *
 * <p>{@code package.Class} implements RequestStreamHandler or RequestHandler; {@code package.Class::method} is any
 * public method, with InputStream, OutputStream and Context, or with one argument bound from JSON, and Context.
 */
final class Handlers {
    private static final byte[] NULL = "null".getBytes(StandardCharsets.US_ASCII);

    /** The longest signature first, where a Context at the end counts for one more; what the compiler made, last. */
    private static final Comparator<Method> PREFERENCE = Comparator.comparing(Method::isBridge)
            .thenComparing(method -> -weight(method.getParameterTypes()));

    private final ClassLoader loader;
    private final Json json;

    Handlers(ClassLoader loader) {
        this.loader = loader;
        this.json = new Json(loader);
    }

    /**
     * Loads the function of this name.
     *
     * @throws Failure where it cannot be: a fatal one where the function's own code failed
     */
    Function load(String handler) {
        int colons = handler.lastIndexOf("::");
        String name = colons < 0 ? handler : handler.substring(0, colons);
        String method = colons < 0 ? null : handler.substring(colons + 2);
        if (name.isEmpty() || (method != null && method.isEmpty())) {
            throw Failure.uncallable("Invalid handler: `" + handler + "'");
        }
        Class<?> type;
        try {
            type = Class.forName(name, true, loader);
        } catch (ClassNotFoundException error) {
            throw Failure.uncallable("Class not found: " + name, error, false);
        } catch (Throwable error) {
            String message = error.getMessage() == null ? "" : ": " + error.getMessage();
            throw Failure.uncallable("Error loading class " + name + message, error, true);
        }
        return method == null ? ofClass(type) : ofMethod(type, method);
    }

    private Function ofClass(Class<?> type) {
        if (RequestStreamHandler.class.isAssignableFrom(type)) {
            RequestStreamHandler handler = (RequestStreamHandler) instance(type);
            return (event, result, context) ->
                    handler.handleRequest(new ByteArrayInputStream(event), result, context);
        }
        if (!RequestHandler.class.isAssignableFrom(type)) {
            throw Failure.uncallable("Class does not implement an appropriate handler interface: " + type.getName());
        }
        Type[] types = Generics.arguments(type, RequestHandler.class);
        if (types == null) {
            throw Failure.uncallable(
                    "Class " + type.getName() + " does not implement RequestHandler with concrete type parameters");
        }
        @SuppressWarnings("unchecked")
        RequestHandler<Object, Object> handler = (RequestHandler<Object, Object>) instance(type);
        return bound(types[0], types[1], handler::handleRequest);
    }

    private Function ofMethod(Class<?> type, String name) {
        Method[] methods;
        try {
            methods = type.getMethods();
        } catch (NoClassDefFoundError error) {
            throw Failure.uncallable("Error loading method " + name + " on class " + type.getName(), error, false);
        }
        return Arrays.stream(methods)
                .filter(method -> method.getName().equals(name) && fits(method.getParameterTypes()))
                .min(PREFERENCE)
                .map(method -> ofMethod(type, method))
                .orElseThrow(() -> Failure.uncallable("No public method named " + name
                        + " with appropriate method signature found on class " + type.getName()));
    }

    private Function ofMethod(Class<?> type, Method method) {
        Object target = Modifier.isStatic(method.getModifiers()) ? null : instance(type);
        method.setAccessible(true); // a public method of a class that is not public
        Class<?>[] parameters = method.getParameterTypes();
        if (Arrays.stream(parameters).anyMatch(one -> one == InputStream.class || one == OutputStream.class)) {
            boolean writes = Arrays.asList(parameters).contains(OutputStream.class);
            return (event, result, context) -> {
                Object[] arguments = new Object[parameters.length];
                for (int i = 0; i < arguments.length; i++) {
                    arguments[i] = parameters[i] == InputStream.class
                            ? new ByteArrayInputStream(event)
                            : parameters[i] == OutputStream.class ? result : context;
                }
                invoke(method, target, arguments);
                if (!writes) {
                    result.write(NULL);
                }
            };
        }
        Type[] types = method.getGenericParameterTypes();
        boolean takesEvent = types.length > 0 && parameters[0] != Context.class;
        boolean takesContext = types.length > (takesEvent ? 1 : 0);
        return bound(takesEvent ? types[0] : null, method.getGenericReturnType(), (event, context) -> {
            if (takesEvent) {
                return takesContext ? invoke(method, target, event, context) : invoke(method, target, event);
            }
            return takesContext ? invoke(method, target, context) : invoke(method, target);
        });
    }

    /** A function on objects; without an input type the event is not looked at, nor is the result of a void one. */
    private Function bound(Type input, Type output, Typed function) {
        Json.Reader reader = input == null ? event -> null : json.reader(input);
        Json.Writer writer = output == void.class || output == Void.class
                ? (returned, result) -> result.write(NULL)
                : json.writer(output);
        return (event, result, context) -> {
            Object value;
            try {
                value = reader.read(event);
            } catch (Throwable error) {
                throw new RuntimeException("An error occurred during JSON parsing", error);
            }
            Object returned = function.call(value, context);
            try {
                writer.write(returned, result);
            } catch (Throwable error) {
                throw new RuntimeException("An error occurred during JSON serialization of response", error);
            }
        };
    }

    private static boolean fits(Class<?>[] types) {
        switch (types.length) {
            case 0:
            case 1:
                return true;
            case 2:
                return (types[0] == InputStream.class && types[1] == OutputStream.class)
                        || (types[0] != Context.class && types[1] == Context.class);
            case 3:
                return types[0] == InputStream.class && types[1] == OutputStream.class && types[2] == Context.class;
            default:
                return false;
        }
    }

    private static int weight(Class<?>[] types) {
        return types.length + (types.length > 0 && types[types.length - 1] == Context.class ? 1 : 0);
    }

    private static Object instance(Class<?> type) {
        try {
            Constructor<?> constructor = type.getConstructor();
            constructor.setAccessible(true);
            return constructor.newInstance();
        } catch (InvocationTargetException error) {
            throw Failure.uncallable(Failure.text(error.getCause()), error.getCause(), true);
        } catch (NoSuchMethodException error) {
            boolean inner = type.getEnclosingClass() != null && !Modifier.isStatic(type.getModifiers());
            Exception problem = new Exception("Class " + type.getName()
                    + (inner
                            ? " cannot be instantiated because it is a non-static inner class"
                            : " has no public zero-argument constructor"));
            throw Failure.uncallable(problem.getMessage(), problem, false);
        } catch (ReflectiveOperationException error) {
            throw Failure.uncallable(Failure.text(error), error, false);
        }
    }

    private static Object invoke(Method method, Object target, Object... arguments) throws Throwable {
        try {
            return method.invoke(target, arguments);
        } catch (InvocationTargetException error) {
            throw error.getCause();
        }
    }

    /** A function on objects. */
    private interface Typed {
        Object call(Object event, Context context) throws Throwable;
    }
}
