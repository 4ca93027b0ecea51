namespace Example
{
    public class Person
    {
        public string name { get; set; }
    }

    public class Answer
    {
        public string greeting { get; set; }
    }

    public class Function
    {
        public Answer Greet(Person person) => new Answer { greeting = $"Hello, {person.name}!" };
    }
}
