package imagemill.client;

import com.amazonaws.services.lambda.runtime.Client;
import com.amazonaws.services.lambda.runtime.ClientContext;
import com.amazonaws.services.lambda.runtime.CognitoIdentity;
import com.fasterxml.jackson.databind.JsonNode;
import java.util.HashMap;
import java.util.Map;

/** Who calls: the JSON of two headers as the objects that a function asks for. */
final class Identities {
    private Identities() {}

    static CognitoIdentity identity(String json) {
        JsonNode node = Json.tree(json);
        return new CognitoIdentity() {
            @Override
            public String getIdentityId() {
                return text(node, "cognitoIdentityId", "identityId");
            }

            @Override
            public String getIdentityPoolId() {
                return text(node, "cognitoIdentityPoolId", "poolId");
            }
        };
    }

    static ClientContext context(String json) {
        JsonNode node = Json.tree(json);
        return new ClientContext() {
            @Override
            public Client getClient() {
                return node.path("client").isObject() ? client(node.path("client")) : null;
            }

            @Override
            public Map<String, String> getCustom() {
                return texts(node.path("custom"));
            }

            @Override
            public Map<String, String> getEnvironment() {
                return texts(node.path("env"));
            }
        };
    }

    private static Client client(JsonNode node) {
        return new Client() {
            @Override
            public String getInstallationId() {
                return text(node, "installation_id");
            }

            @Override
            public String getAppTitle() {
                return text(node, "app_title");
            }

            @Override
            public String getAppVersionName() {
                return text(node, "app_version_name");
            }

            @Override
            public String getAppVersionCode() {
                return text(node, "app_version_code");
            }

            @Override
            public String getAppPackageName() {
                return text(node, "app_package_name");
            }
        };
    }

    private static String text(JsonNode node, String... names) {
        for (String name : names) {
            if (node.hasNonNull(name)) {
                return node.get(name).asText();
            }
        }
        return null;
    }

    private static Map<String, String> texts(JsonNode node) {
        if (!node.isObject()) {
            return null;
        }
        Map<String, String> found = new HashMap<>();
        node.fields().forEachRemaining(field -> {
            JsonNode value = field.getValue();
            found.put(field.getKey(), value.isValueNode() ? value.asText() : value.toString());
        });
        return found;
    }
}
