using System;
using System.Collections;
using System.Collections.Generic;
using System.Globalization;
using System.Linq;
using System.Reflection;

namespace Imagemill
{
    /// Plain data of JSON to and from the types of a function that names no serializer: properties and fields by their
    /// names in any case, lists, arrays, dictionaries, and what is written as text or number.
    static class Binding
    {
        const BindingFlags Members = BindingFlags.Public | BindingFlags.Instance;

        public static object To(Type type, object data)
        {
            if (data == null)
                return type.IsValueType ? Activator.CreateInstance(type) : null; // of a Nullable this is null too
            type = Nullable.GetUnderlyingType(type) ?? type;
            if (type == typeof(object) || type.IsInstanceOfType(data))
                return data;
            if (data is List<object> list)
                return Listed(type, list);
            if (data is Dictionary<string, object> table)
                return Keyed(type, table);
            if (type.IsEnum)
                return data is string name ? Enum.Parse(type, name, true) : Enum.ToObject(type, data);
            if (data is string text && Parsed(type, text) is object parsed)
                return parsed;
            return Convert.ChangeType(data, type, CultureInfo.InvariantCulture);
        }

        public static object From(object value)
        {
            switch (value)
            {
                case null: case bool _: case string _: case double _: case decimal _:
                case byte _: case sbyte _: case short _: case ushort _: case int _: case uint _: case long _: case ulong _:
                    return value;
                case float number: return (double)number;
                case char _: case Guid _: case Uri _: case TimeSpan _: return value.ToString();
                case Enum _: return Convert.ToInt64(value);
                case DateTime time: return time.ToString("o", CultureInfo.InvariantCulture);
                case DateTimeOffset time: return time.ToString("o", CultureInfo.InvariantCulture);
                case byte[] bytes: return Convert.ToBase64String(bytes);
                case IDictionary table:
                    return table.Keys.Cast<object>().ToDictionary(key => key.ToString(), key => From(table[key]));
                case IEnumerable list: return list.Cast<object>().Select(From).ToList();
            }
            var type = value.GetType();
            var found = new Dictionary<string, object>();
            foreach (var field in type.GetFields(Members))
                found[field.Name] = From(field.GetValue(value));
            foreach (var property in type.GetProperties(Members).Where(one => one.CanRead && one.GetIndexParameters().Length == 0))
                found[property.Name] = From(property.GetValue(value));
            return found;
        }

        static object Parsed(Type type, string text)
        {
            if (type == typeof(Guid)) return Guid.Parse(text);
            if (type == typeof(Uri)) return new Uri(text, UriKind.RelativeOrAbsolute);
            if (type == typeof(TimeSpan)) return TimeSpan.Parse(text, CultureInfo.InvariantCulture);
            if (type == typeof(DateTimeOffset)) return DateTimeOffset.Parse(text, CultureInfo.InvariantCulture);
            if (type == typeof(DateTime)) return DateTime.Parse(text, CultureInfo.InvariantCulture, DateTimeStyles.RoundtripKind);
            return type == typeof(byte[]) ? Convert.FromBase64String(text) : null;
        }

        static object Listed(Type type, List<object> data)
        {
            var element = type.IsArray ? type.GetElementType() : type.GetGenericArguments().FirstOrDefault() ?? typeof(object);
            var list = (IList)Activator.CreateInstance(typeof(List<>).MakeGenericType(element));
            foreach (var one in data)
                list.Add(To(element, one));
            if (type.IsInstanceOfType(list))
                return list;
            var array = Array.CreateInstance(element, list.Count);
            list.CopyTo(array, 0);
            return type.IsArray ? array : Activator.CreateInstance(type, array);
        }

        static object Keyed(Type type, Dictionary<string, object> data)
        {
            var arguments = type.GetGenericArguments();
            if (arguments.Length == 2 && arguments[0] == typeof(string))
            {
                var made = type.IsInterface ? typeof(Dictionary<,>).MakeGenericType(arguments) : type;
                var table = (IDictionary)Activator.CreateInstance(made);
                foreach (var pair in data)
                    table[pair.Key] = To(arguments[1], pair.Value);
                return table;
            }
            var found = Activator.CreateInstance(type);
            foreach (var pair in data)
            {
                var property = type.GetProperties(Members).FirstOrDefault(one => Alike(one, pair.Key));
                if (property != null && property.CanWrite)
                    property.SetValue(found, To(property.PropertyType, pair.Value));
                var field = type.GetFields(Members).FirstOrDefault(one => Alike(one, pair.Key));
                field?.SetValue(found, To(field.FieldType, pair.Value));
            }
            return found;
        }

        static bool Alike(MemberInfo member, string name) => member.Name.Equals(name, StringComparison.OrdinalIgnoreCase);
    }
}
