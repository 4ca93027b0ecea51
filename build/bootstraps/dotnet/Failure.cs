using System;
using System.Collections.Generic;
using System.Linq;
using System.Reflection;
using System.Text;

namespace Imagemill
{
    /// A handler that cannot be called, with the name that the real runtime has for this.
    sealed class LambdaValidationException : Exception
    {
        public LambdaValidationException(string message) : base(message) { }
    }

    /// Exceptions as the Runtime API takes them: errorType, errorMessage, stackTrace, and the cause or causes.
    static class Failure
    {
        const int Deep = 8; // causes of causes; the real runtime cuts at 256 KiB

        public static string TypeOf(Exception error) => Unwrapped(error).GetType().Name;

        public static byte[] Json(Exception error) => Encoding.UTF8.GetBytes(Imagemill.Json.Write(Data(Unwrapped(error), Deep)));

        /// The function's own exception, without what reflection and tasks put around it.
        public static Exception Unwrapped(Exception error)
        {
            if (error is TargetInvocationException || error is TypeInitializationException)
                return error.InnerException == null ? error : Unwrapped(error.InnerException);
            var several = error as AggregateException;
            return several != null && several.InnerExceptions.Count == 1 ? Unwrapped(several.InnerExceptions[0]) : error;
        }

        static Dictionary<string, object> Data(Exception error, int deep)
        {
            var trace = (error.StackTrace ?? "").Split(new[] { '\n' }, StringSplitOptions.RemoveEmptyEntries);
            var data = new Dictionary<string, object>
            {
                ["errorType"] = error.GetType().Name,
                ["errorMessage"] = error.Message,
                ["stackTrace"] = trace.Select(line => (object)line.Trim()).ToList(),
            };
            if (deep == 0)
                return data;
            if (error is AggregateException several)
                data["causes"] = several.InnerExceptions.Select(one => (object)Data(one, deep - 1)).ToList();
            else if (error.InnerException != null)
                data["cause"] = Data(error.InnerException, deep - 1);
            return data;
        }
    }
}
