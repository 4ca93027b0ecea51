package imagemill.client;

import com.amazonaws.services.lambda.runtime.CustomPojoSerializer;
import com.fasterxml.jackson.annotation.JsonInclude;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.json.JsonReadFeature;
import com.fasterxml.jackson.databind.DeserializationContext;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JavaType;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.MapperFeature;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.ObjectWriter;
import com.fasterxml.jackson.databind.SerializationFeature;
import com.fasterxml.jackson.databind.deser.std.StdDeserializer;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.module.SimpleModule;
import com.fasterxml.jackson.databind.ser.std.ToStringSerializer;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.lang.reflect.Type;
import java.util.Iterator;
import java.util.ServiceLoader;

/**
 * Events and results between JSON and the types of a handler.
 *
 * <p>Jackson, as lenient as AWS's runtime sets it, with names in any case: the classes of aws-lambda-java-events have
 * getRecords() for "Records". As there, a function's own Jackson annotations mean nothing: they are other classes.
 */
final class Json {
    private static final String JODA = "org.joda.time.DateTime"; // in the events of S3, SNS and others

    private final CustomPojoSerializer own;

    /** The function may bring a serializer of its own, which its class loader finds. */
    Json(ClassLoader loader) {
        Iterator<CustomPojoSerializer> found = ServiceLoader.load(CustomPojoSerializer.class, loader).iterator();
        own = found.hasNext() ? found.next() : null;
        if (own != null && found.hasNext()) {
            throw Failure.uncallable(
                    "Too many serializers provided inside the META-INF/services folder, only one is allowed");
        }
    }

    /** What makes objects of this type out of events; made once, as that takes longer than using it. */
    Reader reader(Type type) {
        if (own != null) {
            return event -> own.fromJson(new ByteArrayInputStream(event), type);
        }
        JavaType wanted = Jackson.MAPPER.constructType(type);
        learn(wanted.getRawClass().getClassLoader());
        return Jackson.MAPPER.readerFor(wanted)::readValue;
    }

    /** What writes results of this type. */
    Writer writer(Type type) {
        if (own != null) {
            return (result, out) -> own.toJson(result, out, type);
        }
        ObjectWriter writer = Jackson.MAPPER.writerFor(Jackson.MAPPER.constructType(type));
        return (result, out) -> writer.writeValue(out, result);
    }

    static JsonNode tree(String json) {
        try {
            return Jackson.MAPPER.readTree(json);
        } catch (JsonProcessingException error) {
            throw new UncheckedIOException(error);
        }
    }

    private static ObjectMapper mapper() {
        return JsonMapper.builder()
                .enable(JsonReadFeature.ALLOW_NON_NUMERIC_NUMBERS)
                .enable(JsonReadFeature.ALLOW_LEADING_ZEROS_FOR_NUMBERS)
                .enable(JsonReadFeature.ALLOW_SINGLE_QUOTES)
                .enable(JsonReadFeature.ALLOW_BACKSLASH_ESCAPING_ANY_CHARACTER)
                .enable(JsonReadFeature.ALLOW_UNESCAPED_CONTROL_CHARS)
                .enable(JsonReadFeature.ALLOW_UNQUOTED_FIELD_NAMES)
                .enable(MapperFeature.ACCEPT_CASE_INSENSITIVE_PROPERTIES)
                .enable(DeserializationFeature.ACCEPT_EMPTY_ARRAY_AS_NULL_OBJECT)
                .enable(DeserializationFeature.ACCEPT_EMPTY_STRING_AS_NULL_OBJECT)
                .enable(DeserializationFeature.ACCEPT_SINGLE_VALUE_AS_ARRAY)
                .enable(DeserializationFeature.UNWRAP_SINGLE_VALUE_ARRAYS)
                .enable(DeserializationFeature.READ_UNKNOWN_ENUM_VALUES_AS_NULL)
                .disable(DeserializationFeature.FAIL_ON_IGNORED_PROPERTIES)
                .disable(DeserializationFeature.FAIL_ON_UNKNOWN_PROPERTIES)
                .disable(SerializationFeature.FAIL_ON_EMPTY_BEANS)
                .disable(SerializationFeature.FLUSH_AFTER_WRITE_VALUE)
                .serializationInclusion(JsonInclude.Include.NON_NULL)
                .build();
    }

    /** Teaches Jackson the function's own Joda-Time, where it has one. */
    private static void learn(ClassLoader loader) {
        if (loader == null || Jackson.MAPPER.getRegisteredModuleIds().contains(JODA)) {
            return; // the JDK's own types, or known already
        }
        try {
            register(Class.forName(JODA, false, loader));
        } catch (ClassNotFoundException none) {
            return;
        }
    }

    private static <T> void register(Class<T> joda) {
        SimpleModule module = new SimpleModule(JODA);
        module.addSerializer(joda, ToStringSerializer.instance);
        module.addDeserializer(joda, new StdDeserializer<T>(joda) {
            private static final long serialVersionUID = 1;

            @Override
            public T deserialize(JsonParser json, DeserializationContext context) throws IOException {
                try {
                    Object time = json.currentToken().isNumeric() ? (Object) json.getLongValue() : json.getText();
                    return joda.getConstructor(Object.class).newInstance(time);
                } catch (ReflectiveOperationException error) {
                    throw new IOException(error);
                }
            }
        });
        Jackson.MAPPER.registerModule(module);
    }

    /** Loaded when it is needed first: handlers of streams never do. */
    private static final class Jackson {
        static final ObjectMapper MAPPER = mapper();
    }

    /** From JSON to an object. */
    interface Reader {
        Object read(byte[] event) throws IOException;
    }

    /** From an object to JSON. */
    interface Writer {
        void write(Object result, OutputStream out) throws IOException;
    }
}
