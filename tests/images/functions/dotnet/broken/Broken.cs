using System;

namespace Broken
{
    public class Function
    {
        public Function() => throw new InvalidOperationException("no init");

        public string Handle(object input) => "never";
    }
}
