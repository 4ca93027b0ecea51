// Handlers for the behaviour that every runtime shares, and for what is special to .NET.
using System;
using System.Collections;
using System.Collections.Generic;
using System.Diagnostics;
using System.IO;
using System.Linq;
using System.Text;
using System.Threading;
using System.Threading.Tasks;
using Amazon.Lambda.Core;

namespace Cases
{
    public class Custom : Exception
    {
        public Custom(string message) : base(message) { }
    }

    public class Options
    {
        public bool Leave { get; set; }
        public double Seconds { get; set; }
        public int Bytes { get; set; }
        public string Text { get; set; }
    }

    public class Item
    {
        public string Name { get; set; }
        public decimal Price;
        public DayOfWeek Day { get; set; }
        public DateTime? When { get; set; }
        public List<Item> Parts { get; set; }
        public Dictionary<string, int> Stock { get; set; }
    }

    /// A serializer that shows that it was asked.
    public class Shouting : ILambdaSerializer
    {
        public T Deserialize<T>(Stream request) => (T)(object)new StreamReader(request).ReadToEnd().Trim('"').ToUpperInvariant();

        public void Serialize<T>(T response, Stream answer)
        {
            var bytes = Encoding.UTF8.GetBytes($"\"{response}!\"");
            answer.Write(bytes, 0, bytes.Length);
        }
    }

    public class Shared
    {
        public object Echo(object input) => input;

        public object Fail(object input) => throw new Custom("no");

        public async Task<object> FailLater(object input)
        {
            await Task.Delay(1);
            throw new Custom("no");
        }

        public object Unhandled(object input)
        {
            new Thread(() => throw new Custom("no")).Start();
            Thread.Sleep(5000);
            return null;
        }

        public string Leave(Options input)
        {
            if (input.Leave)
                Environment.Exit(42);
            return "still here";
        }

        public async Task<int> Slow(Options input)
        {
            await Task.Delay(TimeSpan.FromSeconds(input.Seconds));
            return Process.GetCurrentProcess().Id;
        }

        public static Dictionary<string, object> Context(object input, ILambdaContext context) => new Dictionary<string, object>
        {
            ["name"] = context.FunctionName,
            ["version"] = context.FunctionVersion,
            ["memory"] = context.MemoryLimitInMB,
            ["request_id"] = context.AwsRequestId,
            ["arn"] = context.InvokedFunctionArn,
            ["log_group"] = context.LogGroupName,
            ["log_stream"] = context.LogStreamName,
            ["remaining"] = context.RemainingTime.TotalMilliseconds,
            ["identity"] = context.Identity.IdentityId,
            ["client_context"] = context.ClientContext?.Custom,
        };

        public IDictionary Environment_(object input) => Environment.GetEnvironmentVariables();

        public string Layers(object input) => Layered.Library.Name();

        public string Large(Options input) => new string('x', input.Bytes);

        public string Unicode(string input) => "äöü €𝄞" + input;

        public int Huge(Options input) => input.Text.Length;

        /// A class in a class.
        public class Nested
        {
            public object Echo(object input) => input;
        }

        public Stream Bytes(object input) => new MemoryStream(new byte[] { 0xff, 0xfe });

        public string Binary(object input)
        {
            var raw = new byte[] { 0xff, 0xfe, 0x00, 0x80, (byte)'\n' };
            using (var output = Console.OpenStandardOutput())
                output.Write(raw, 0, raw.Length);
            return "printed";
        }

        public async Task<double[]> Remaining(Options input, ILambdaContext context)
        {
            var first = context.RemainingTime.TotalMilliseconds;
            await Task.Delay(TimeSpan.FromSeconds(input.Seconds));
            return new[] { first, context.RemainingTime.TotalMilliseconds };
        }

        public void Log(object input, ILambdaContext context)
        {
            context.Logger.LogLine("noted");
            Console.WriteLine("noted");
        }

        public Stream Streams(Stream input)
        {
            var bytes = new MemoryStream();
            input.CopyTo(bytes);
            bytes.Position = 0;
            return bytes;
        }

        public Item Pojo(Item input)
        {
            input.Name += "!";
            input.Stock["more"] = input.Parts.Sum(part => (int)part.Price);
            return input;
        }

        [LambdaSerializer(typeof(Shouting))]
        public string Shout(string input) => input;

        public async Task Nothing() => await Task.Delay(1);

        public string Hash(string input)
        {
            using (var sha = System.Security.Cryptography.SHA256.Create())
                return BitConverter.ToString(sha.ComputeHash(Encoding.UTF8.GetBytes(input))).Replace("-", "").ToLowerInvariant();
        }
    }
}
