using System;
using System.Collections;
using System.Collections.Generic;
using System.Globalization;
using System.Text;

namespace Imagemill
{
    /// JSON as plain data: Dictionary, List, string, long, double, bool and null. Old versions of .NET have none of their
    /// own that needs no attributes.
    static class Json
    {
        public static object Read(string text)
        {
            var reader = new Reader { text = text };
            var value = reader.Value();
            reader.Space();
            return reader.at == text.Length ? value : throw reader.Wrong();
        }

        public static string Write(object value)
        {
            var text = new StringBuilder();
            Write(value, text);
            return text.ToString();
        }

        static void Write(object value, StringBuilder text)
        {
            switch (value)
            {
                case null: text.Append("null"); break;
                case bool truth: text.Append(truth ? "true" : "false"); break;
                case string words: Quote(words, text); break;
                case double number: text.Append(number.ToString("R", CultureInfo.InvariantCulture)); break;
                case IDictionary<string, object> table:
                    Join(table, '{', '}', text, pair => { Quote(pair.Key, text); text.Append(':'); Write(pair.Value, text); });
                    break;
                case IEnumerable<object> list: Join(list, '[', ']', text, one => Write(one, text)); break;
                default: text.Append(Convert.ToString(value, CultureInfo.InvariantCulture)); break; // whole numbers, decimal
            }
        }

        static void Join<T>(IEnumerable<T> parts, char open, char close, StringBuilder text, Action<T> write)
        {
            var first = true;
            text.Append(open);
            foreach (var part in parts)
            {
                if (!first)
                    text.Append(',');
                first = false;
                write(part);
            }
            text.Append(close);
        }

        static void Quote(string words, StringBuilder text)
        {
            text.Append('"');
            foreach (var letter in words)
                if (letter == '"' || letter == '\\')
                    text.Append('\\').Append(letter);
                else if (letter < ' ')
                    text.Append("\\u").Append(((int)letter).ToString("x4"));
                else
                    text.Append(letter);
            text.Append('"');
        }

        sealed class Reader
        {
            public string text;
            public int at;

            public FormatException Wrong() => new FormatException($"the event is not JSON at character {at}");

            public void Space()
            {
                while (at < text.Length && " \t\r\n".IndexOf(text[at]) >= 0)
                    at++;
            }

            bool Takes(string word)
            {
                if (string.CompareOrdinal(text, at, word, 0, word.Length) != 0)
                    return false;
                at += word.Length;
                return true;
            }

            public object Value()
            {
                Space();
                if (Takes("null")) return null;
                if (Takes("true")) return true;
                if (Takes("false")) return false;
                if (Takes("{")) return Table();
                if (Takes("[")) return List();
                if (at < text.Length && text[at] == '"') return Words();
                return Number();
            }

            Dictionary<string, object> Table()
            {
                var table = new Dictionary<string, object>();
                for (Space(); !Takes("}"); Space())
                {
                    if (table.Count > 0 && !Takes(",")) throw Wrong();
                    Space();
                    var key = Words();
                    Space();
                    if (!Takes(":")) throw Wrong();
                    table[key] = Value();
                }
                return table;
            }

            List<object> List()
            {
                var list = new List<object>();
                for (Space(); !Takes("]"); Space())
                {
                    if (list.Count > 0 && !Takes(",")) throw Wrong();
                    list.Add(Value());
                }
                return list;
            }

            string Words()
            {
                if (!Takes("\"")) throw Wrong();
                var words = new StringBuilder();
                while (true)
                {
                    if (at >= text.Length) throw Wrong();
                    var letter = text[at++];
                    if (letter == '"') return words.ToString();
                    words.Append(letter == '\\' ? Escaped() : letter);
                }
            }

            char Escaped()
            {
                if (at >= text.Length) throw Wrong();
                var letter = text[at++];
                if (letter != 'u')
                {
                    var place = "\"\\/bfnrt".IndexOf(letter);
                    return place >= 0 ? "\"\\/\b\f\n\r\t"[place] : throw Wrong();
                }
                if (at + 4 > text.Length) throw Wrong();
                at += 4;
                return (char)ushort.Parse(text.Substring(at - 4, 4), NumberStyles.HexNumber, CultureInfo.InvariantCulture);
            }

            object Number()
            {
                var start = at;
                while (at < text.Length && "+-.eE0123456789".IndexOf(text[at]) >= 0)
                    at++;
                var word = text.Substring(start, at - start);
                if (long.TryParse(word, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var whole))
                    return whole;
                return double.TryParse(word, NumberStyles.Float, CultureInfo.InvariantCulture, out var number) ? number : throw Wrong();
            }
        }
    }
}
