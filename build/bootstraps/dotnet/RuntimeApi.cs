using System;
using System.Collections.Generic;
using System.IO;
using System.Net.Sockets;
using System.Text;

namespace Imagemill
{
    /// One event, and what the Runtime API says about it.
    sealed class Event
    {
        readonly Dictionary<string, string> headers;

        public Event(Dictionary<string, string> headers, byte[] body)
        {
            this.headers = headers;
            Body = body;
        }

        public byte[] Body { get; }

        public string RequestId => Header("lambda-runtime-aws-request-id");

        /// A header by its name in lower case; null where there is none.
        public string Header(string name) => headers.TryGetValue(name, out var value) ? value : null;
    }

    /// The Runtime API over one connection that stays open. .NET's own HTTP client needs libcurl in old versions, and
    /// takes longer to start than the rest of this program.
    sealed class RuntimeApi : IDisposable
    {
        const string Top = "/2018-06-01/runtime/";
        readonly string host;
        readonly int port;
        TcpClient connection;
        BufferedStream stream;

        public RuntimeApi(string address)
        {
            var colon = address.LastIndexOf(':');
            host = colon < 0 ? address : address.Substring(0, colon);
            port = colon < 0 ? 80 : int.Parse(address.Substring(colon + 1));
        }

        public Event Next() => Exchange("GET", "invocation/next", null, null);

        public void Response(string id, byte[] body) => Exchange("POST", $"invocation/{id}/response", null, body);

        public void Error(string id, string type, byte[] body) => Exchange("POST", $"invocation/{id}/error", type, body);

        public void InitError(string type, byte[] body) => Exchange("POST", "init/error", type, body);

        public void Dispose() => connection?.Dispose();

        Event Exchange(string method, string path, string errorType, byte[] body)
        {
            var head = new StringBuilder($"{method} {Top}{path} HTTP/1.1\r\nHost: {host}:{port}\r\n");
            head.Append("User-Agent: imagemill-dotnet\r\n");
            if (body != null)
                head.Append($"Content-Type: application/json\r\nContent-Length: {body.Length}\r\n");
            if (errorType != null)
                head.Append($"Lambda-Runtime-Function-Error-Type: {errorType}\r\n");
            var request = Encoding.ASCII.GetBytes(head.Append("\r\n").ToString());
            var reused = connection != null;
            try
            {
                return Try(request, body);
            }
            catch (IOException) when (reused) // closed since the last time
            {
                connection.Dispose();
                connection = null;
                return Try(request, body);
            }
        }

        Event Try(byte[] request, byte[] body)
        {
            if (connection == null)
            {
                connection = new TcpClient { NoDelay = true };
                connection.ConnectAsync(host, port).GetAwaiter().GetResult();
                stream = new BufferedStream(connection.GetStream(), 1 << 16);
            }
            stream.Write(request, 0, request.Length);
            if (body != null)
                stream.Write(body, 0, body.Length);
            stream.Flush();
            var status = Line();
            var headers = new Dictionary<string, string>(StringComparer.OrdinalIgnoreCase);
            for (var line = Line(); line.Length > 0; line = Line())
            {
                var colon = line.IndexOf(':');
                headers[line.Substring(0, colon)] = line.Substring(colon + 1).Trim();
            }
            return new Event(headers, Body(headers));
        }

        byte[] Body(Dictionary<string, string> headers)
        {
            if (headers.TryGetValue("content-length", out var length))
                return Bytes(int.Parse(length));
            var whole = new MemoryStream();
            if (!headers.TryGetValue("transfer-encoding", out _))
                return whole.ToArray();
            while (true)
            {
                var size = Convert.ToInt32(Line().Split(';')[0], 16);
                var chunk = Bytes(size);
                Line();
                if (size == 0)
                    return whole.ToArray();
                whole.Write(chunk, 0, size);
            }
        }

        byte[] Bytes(int count)
        {
            var found = new byte[count];
            for (var had = 0; had < count;)
            {
                var more = stream.Read(found, had, count - had);
                if (more == 0)
                    throw new IOException("the Runtime API closed the connection");
                had += more;
            }
            return found;
        }

        string Line()
        {
            var line = new List<byte>();
            for (var next = stream.ReadByte(); next != '\n'; next = stream.ReadByte())
            {
                if (next < 0)
                    throw new IOException("the Runtime API closed the connection");
                if (next != '\r')
                    line.Add((byte)next);
            }
            return Encoding.UTF8.GetString(line.ToArray());
        }
    }
}
