using System;
using System.IO;
using System.Linq;
using System.Reflection;
using System.Runtime.CompilerServices;
using System.Runtime.Loader;
using System.Text;
using System.Threading.Tasks;

namespace Imagemill
{
    /// The method that a handler names, `assembly::type::method`, ready to be called.
    sealed class Function
    {
        const string Core = "Amazon.Lambda.Core.";
        const BindingFlags Any = BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.Instance | BindingFlags.Static;
        readonly MethodInfo method;
        readonly object target;
        readonly object serializer;
        readonly Type input;
        readonly Type result;

        public Function(string handler)
        {
            var parts = handler.Split(new[] { "::" }, StringSplitOptions.None);
            if (parts.Length != 3 || parts.Any(string.IsNullOrWhiteSpace))
                throw new LambdaValidationException(
                    $"Invalid lambda function handler: '{handler}'. The valid format is 'ASSEMBLY::TYPE::METHOD'.");
            var type = Loaded(parts[0]).GetType(parts[1]) ?? throw new LambdaValidationException(
                $"Unable to load type '{parts[1]}' from assembly '{parts[0]}'.");
            method = Found(type, parts);
            var parameters = method.GetParameters().Where(one => !IsContext(one)).ToList();
            if (parameters.Count > 1 || method.GetParameters().Length - parameters.Count > 1)
                throw new LambdaValidationException(
                    $"Method '{parts[2]}' of type '{parts[1]}' has more parameters than an input and a context.");
            input = parameters.FirstOrDefault()?.ParameterType;
            result = Returned(method);
            serializer = Serializer(method);
            RuntimeHelpers.RunClassConstructor(type.TypeHandle);
            target = method.IsStatic ? null : Activator.CreateInstance(type);
        }

        /// The answer to an event. What the function throws comes as it is, or in a TargetInvocationException.
        public byte[] Invoke(Event received)
        {
            var arguments = method.GetParameters()
                .Select(one => IsContext(one) ? Context.Of(one.ParameterType, received) : Input(received.Body)).ToArray();
            var answer = method.Invoke(target, arguments);
            if (answer is Task task)
            {
                task.GetAwaiter().GetResult();
                answer = result == typeof(void) ? null : task.GetType().GetProperty("Result").GetValue(task);
            }
            return Output(answer);
        }

        object Input(byte[] body)
        {
            if (input.IsAssignableFrom(typeof(MemoryStream)) && typeof(Stream).IsAssignableFrom(input))
                return new MemoryStream(body, false);
            if (serializer != null)
                return Serialize("Deserialize", input, new MemoryStream(body, false));
            return Binding.To(input, Json.Read(Encoding.UTF8.GetString(body)));
        }

        byte[] Output(object answer)
        {
            if (result == typeof(void))
                return Encoding.UTF8.GetBytes("null");
            var bytes = new MemoryStream();
            if (answer is Stream stream)
            {
                using (stream)
                    stream.CopyTo(bytes);
            }
            else if (serializer != null)
            {
                Serialize("Serialize", result, answer, bytes);
            }
            else
            {
                return Encoding.UTF8.GetBytes(Json.Write(Binding.From(answer)));
            }
            return bytes.ToArray();
        }

        object Serialize(string name, Type type, params object[] arguments)
        {
            var face = serializer.GetType().GetInterface(Core + "ILambdaSerializer");
            return face.GetMethod(name).MakeGenericMethod(type).Invoke(serializer, arguments);
        }

        static Assembly Loaded(string name)
        {
            var folder = Environment.GetEnvironmentVariable("LAMBDA_TASK_ROOT") ?? "/var/task";
            AssemblyLoadContext.Default.Resolving += (context, wanted) =>
            {
                var place = Places(folder, wanted.Name + ".dll").FirstOrDefault(File.Exists);
                return place == null ? null : context.LoadFromAssemblyPath(place);
            };
            var path = Path.Combine(folder, name + ".dll");
            if (!File.Exists(path))
                throw new LambdaValidationException(
                    $"Could not find the specified handler assembly with the file name '{name}, Culture=neutral, " +
                    "PublicKeyToken=null'. The assembly should be located in the root of your uploaded .zip file.");
            return AssemblyLoadContext.Default.LoadFromAssemblyPath(path);
        }

        /// Where `dotnet publish` and layers put an assembly, what is made for Linux first.
        static System.Collections.Generic.IEnumerable<string> Places(string folder, string file)
        {
            var runtimes = Path.Combine(folder, "runtimes");
            foreach (var system in new[] { "linux-x64", "linux", "unix" })
            {
                var libraries = Path.Combine(runtimes, system, "lib");
                if (Directory.Exists(libraries))
                    foreach (var framework in Directory.GetDirectories(libraries).OrderByDescending(one => one, StringComparer.Ordinal))
                        yield return Path.Combine(framework, file);
            }
            yield return Path.Combine(folder, file);
            yield return Path.Combine("/opt/lib", file);
        }

        static MethodInfo Found(Type type, string[] parts)
        {
            var named = type.GetMethods(Any | BindingFlags.FlattenHierarchy).Where(one => one.Name == parts[2] || one.ToString() == parts[2]).ToList();
            if (named.Count == 1)
                return named[0];
            var problem = named.Count == 0 ? "Found no methods matching method name" : "Found several methods matching method name";
            throw new LambdaValidationException(
                $"Unable to find method '{parts[2]}' in type '{parts[1]}' from assembly '{parts[0]}': {problem} '{parts[2]}'.");
        }

        static bool IsContext(ParameterInfo parameter) => parameter.ParameterType.FullName == Core + "ILambdaContext";

        static Type Returned(MethodInfo method)
        {
            var type = method.ReturnType;
            if (type == typeof(void) && method.GetCustomAttribute<AsyncStateMachineAttribute>() != null)
                throw new LambdaValidationException($"Method '{method.Name}' is async void; let it return a Task.");
            if (!typeof(Task).IsAssignableFrom(type))
                return type;
            return type.GetGenericArguments().FirstOrDefault() ?? typeof(void);
        }

        /// The serializer that the method or its assembly names with Amazon.Lambda.Core's attribute; null where none does.
        static object Serializer(MethodInfo method)
        {
            var attribute = method.GetCustomAttributes().Concat(method.DeclaringType.Assembly.GetCustomAttributes())
                .FirstOrDefault(one => one.GetType().FullName == Core + "LambdaSerializerAttribute");
            var type = (Type)attribute?.GetType().GetProperty("SerializerType").GetValue(attribute);
            return type == null ? null : Activator.CreateInstance(type);
        }
    }
}
