using System;
using System.IO;
using System.Text;

namespace Imagemill
{
    /// Asks the Runtime API for one event after the other and answers each with what the function makes of it.
    static class Program
    {
        static int Main(string[] args)
        {
            var handler = args.Length > 0 ? args[0] : Environment.GetEnvironmentVariable("_HANDLER") ?? "";
            using (var api = new RuntimeApi(Environment.GetEnvironmentVariable("AWS_LAMBDA_RUNTIME_API") ?? ""))
            {
                Function function;
                try
                {
                    function = new Function(handler);
                }
                catch (Exception error)
                {
                    Console.Error.WriteLine(error);
                    Flush();
                    api.InitError(Failure.TypeOf(error), Failure.Json(error));
                    return 1;
                }
                while (true)
                    Serve(api, function, api.Next());
            }
        }

        static void Serve(RuntimeApi api, Function function, Event received)
        {
            Environment.SetEnvironmentVariable("_X_AMZN_TRACE_ID", received.Header("lambda-runtime-trace-id"));
            byte[] answer;
            try
            {
                answer = function.Invoke(received);
            }
            catch (Exception error)
            {
                var cause = Failure.Unwrapped(error);
                Console.Error.WriteLine(cause);
                Flush();
                api.Error(received.RequestId, Failure.TypeOf(cause), Failure.Json(cause));
                return;
            }
            Flush();
            api.Response(received.RequestId, answer);
        }

        /// What the function wrote comes before its answer.
        static void Flush()
        {
            Console.Out.Flush();
            Console.Error.Flush();
        }
    }
}
