using System;
using System.Collections.Generic;
using System.Reflection;

namespace Imagemill
{
    /// An object of whatever interface, whose members come from a table: the interfaces are those of the function's own
    /// Amazon.Lambda.Core, which this program does not know.
    public class Facade : DispatchProxy
    {
        Dictionary<string, Func<object[], object>> members;

        public static object Of(Type type, Dictionary<string, Func<object[], object>> members)
        {
            var create = typeof(DispatchProxy).GetMethod("Create").MakeGenericMethod(type, typeof(Facade));
            var made = create.Invoke(null, null);
            ((Facade)made).members = members;
            return made;
        }

        protected override object Invoke(MethodInfo method, object[] arguments)
        {
            var name = method.Name.StartsWith("get_") ? method.Name.Substring(4) : method.Name;
            if (members.TryGetValue(name, out var member))
                return member(arguments);
            var result = method.ReturnType; // a member of a later version
            return result.IsValueType && result != typeof(void) ? Activator.CreateInstance(result) : null;
        }
    }

    /// The ILambdaContext of an event.
    static class Context
    {
        public static object Of(Type type, Event received)
        {
            var deadline = long.Parse(received.Header("lambda-runtime-deadline-ms") ?? "0");
            return Facade.Of(type, new Dictionary<string, Func<object[], object>>
            {
                ["AwsRequestId"] = _ => received.RequestId,
                ["FunctionName"] = _ => Variable("AWS_LAMBDA_FUNCTION_NAME"),
                ["FunctionVersion"] = _ => Variable("AWS_LAMBDA_FUNCTION_VERSION"),
                ["InvokedFunctionArn"] = _ => received.Header("lambda-runtime-invoked-function-arn"),
                ["LogGroupName"] = _ => Variable("AWS_LAMBDA_LOG_GROUP_NAME"),
                ["LogStreamName"] = _ => Variable("AWS_LAMBDA_LOG_STREAM_NAME"),
                ["MemoryLimitInMB"] = _ => int.Parse(Variable("AWS_LAMBDA_FUNCTION_MEMORY_SIZE") ?? "0"),
                ["RemainingTime"] = _ => DateTimeOffset.FromUnixTimeMilliseconds(deadline) - DateTimeOffset.UtcNow,
                ["Logger"] = _ => Logger(Member(type, "Logger")),
                ["Identity"] = _ => Identity(Member(type, "Identity"), received.Header("lambda-runtime-cognito-identity")),
                ["ClientContext"] = _ => Client(Member(type, "ClientContext"), received.Header("lambda-runtime-client-context")),
            });
        }

        static string Variable(string name) => Environment.GetEnvironmentVariable(name);

        static Type Member(Type type, string name) => type.GetProperty(name).PropertyType;

        static object Logger(Type type) => Facade.Of(type, new Dictionary<string, Func<object[], object>>
        {
            ["Log"] = words => { Console.Write(words[words.Length - 1]); return null; },
            ["LogLine"] = words => { Console.WriteLine(words[0]); return null; },
        });

        static object Identity(Type type, string json)
        {
            var data = Table(json) ?? new Dictionary<string, object>();
            return Facade.Of(type, new Dictionary<string, Func<object[], object>>
            {
                ["IdentityId"] = _ => Text(data, "cognitoIdentityId") ?? "",
                ["IdentityPoolId"] = _ => Text(data, "cognitoIdentityPoolId") ?? "",
            });
        }

        static object Client(Type type, string json)
        {
            var data = Table(json);
            if (data == null)
                return null;
            return Facade.Of(type, new Dictionary<string, Func<object[], object>>
            {
                ["Environment"] = _ => Texts(data, "env"),
                ["Custom"] = _ => Texts(data, "custom"),
                ["Client"] = _ => Application(Member(type, "Client"), data),
            });
        }

        static object Application(Type type, Dictionary<string, object> data)
        {
            var client = data.TryGetValue("client", out var found) ? found as Dictionary<string, object> : null;
            if (client == null)
                return null;
            return Facade.Of(type, new Dictionary<string, Func<object[], object>>
            {
                ["AppPackageName"] = _ => Text(client, "app_package_name"),
                ["AppTitle"] = _ => Text(client, "app_title"),
                ["AppVersionCode"] = _ => Text(client, "app_version_code"),
                ["AppVersionName"] = _ => Text(client, "app_version_name"),
                ["InstallationId"] = _ => Text(client, "installation_id"),
            });
        }

        static Dictionary<string, object> Table(string json) =>
            string.IsNullOrEmpty(json) ? null : Json.Read(json) as Dictionary<string, object>;

        static string Text(Dictionary<string, object> data, string key) =>
            data.TryGetValue(key, out var found) ? found?.ToString() : null;

        static IDictionary<string, string> Texts(Dictionary<string, object> data, string key)
        {
            var texts = new Dictionary<string, string>();
            if (data.TryGetValue(key, out var found) && found is Dictionary<string, object> table)
                foreach (var pair in table)
                    texts[pair.Key] = pair.Value?.ToString();
            return texts;
        }
    }
}
