namespace Layered
{
    public static class Library
    {
        public const string Word = "from a layer";

        public static string Name() => Word;
    }
}
