package telemetry

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestKinds(t *testing.T) {
	for kind := Kind(0); kind <= allKinds; kind++ {
		t.Run(fmt.Sprint(Subscription{Kinds: kind}.TypeNames()), func(t *testing.T) {
			b, _ := newBus(t)
			b.InitOver()
			r := newReceiver(t)
			if err := b.Subscribe("e", r.subscription(kind)); err != nil {
				t.Fatal(err)
			}
			var expected []string
			for k := Platform; k <= Extension; k <<= 1 {
				if b.Wants(k) != (kind&k != 0) {
					t.Errorf("%v is wanted: %v", k, b.Wants(k))
				}
			}
			b.Publish(Event{moment, "platform.start", Start{RequestID: "1"}})
			b.Publish(Event{moment, "function", "as an event"})
			b.Publish(Event{moment, "unknown", "nobody asks for it"})
			b.Line(Function, []byte("f"))
			b.Line(Extension, []byte("e"))
			if kind&Platform != 0 {
				expected = append(expected, `{"requestId":"1"}`)
			}
			if kind&Function != 0 {
				expected = append(expected, `"as an event"`, `"f"`)
			}
			if kind&Extension != 0 {
				expected = append(expected, `"e"`)
			}
			r.expect(expected...)
		})
	}
}

func TestNobodyWants(t *testing.T) {
	b, _ := newBus(t)
	if !b.Wants(Platform) || !b.Wants(Function) || !b.Wants(Extension) {
		t.Error("before the end of the init, all is wanted")
	}
	b.InitOver()
	if b.Wants(allKinds) {
		t.Error("after it, somebody still wants something")
	}
	text := []byte("line")
	e := number(1)
	if found := testing.AllocsPerRun(10, func() { b.Publish(e); b.Line(Function, text) }); found != 0 {
		t.Errorf("to tell nobody takes %v allocations", found)
	}
	r := newReceiver(t)
	if err := b.Subscribe("late", r.subscription(Platform)); err != nil {
		t.Fatal(err)
	}
	b.Publish(number(2))
	r.expect("2")
	b.Unsubscribe("late")
	if b.Wants(allKinds) {
		t.Error("after the only subscriber has gone, somebody wants something")
	}
	b.Unsubscribe("late")
	b.Unsubscribe("never was")
}

func TestClosed(t *testing.T) {
	b, _ := newBus(t)
	b.Close()
	r := newReceiver(t)
	if err := b.Subscribe("e", r.subscription(allKinds)); err == nil {
		t.Error("a closed bus takes a subscription")
	}
	b.Publish(number(1))
	b.InitOver()
	b.Flush(soon())
	b.Close()
	if b.Wants(allKinds) {
		t.Error("a closed bus wants something")
	}
}

func TestLineForms(t *testing.T) {
	cases := []struct{ name, line, plain, structured string }{
		{"text", `[INFO] "a"`, `"[INFO] \"a\""`, `"[INFO] \"a\""`},
		{"empty", "", `""`, `""`},
		{"object", `{"level":"INFO"}`, `"{\"level\":\"INFO\"}"`, `{"level":"INFO"}`},
		{"object, with blanks", " {\"a\": [1,\t2]}\r", `" {\"a\": [1,\t2]}\r"`, `{"a":[1,2]}`},
		{"empty object", `{}`, `"{}"`, `{}`},
		{"HTML in an object", `{"a":"<&>"}`, `"{\"a\":\"<&>\"}"`, `{"a":"<&>"}`},
		{"large number in an object", `{"a":12345678901234567890.10}`, `"{\"a\":12345678901234567890.10}"`, `{"a":12345678901234567890.10}`},
		{"half an object", `{"a":`, `"{\"a\":"`, `"{\"a\":"`},
		{"no object, but braces", `{a}`, `"{a}"`, `"{a}"`},
		{"two objects", `{}{}`, `"{}{}"`, `"{}{}"`},
		{"array", `[1]`, `"[1]"`, `"[1]"`},
		{"string", `"a"`, `"\"a\""`, `"\"a\""`},
		{"object that is not UTF-8", "{\"a\":\"\xff\"}", "\"{\\\"a\\\":\\\"\ufffd\\\"}\"", "\"{\\\"a\\\":\\\"\ufffd\\\"}\""},
	}
	b, _ := newBus(t)
	plain, structured := newReceiver(t), newReceiver(t)
	old := plain.subscription(Function)
	old.SchemaVersion = "2022-07-01"
	if b.Subscribe("plain", old) != nil || b.Subscribe("structured", structured.subscription(Function)) != nil {
		t.Fatal("no subscription")
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			b.Line(Function, []byte(c.line))
			plain.expect(strings.NewReplacer("\t", `\t`, "\r", `\r`).Replace(c.plain))
			structured.expect(c.structured)
		})
	}
}

func TestBacklog(t *testing.T) {
	b, _ := newBus(t)
	b.Publish(number(1))
	first := line(b, Function, "first")
	second := line(b, Extension, "second")
	b.Publish(number(2))
	all, some := newReceiver(t), newReceiver(t)
	if b.Subscribe("all", all.subscription(allKinds)) != nil || b.Subscribe("some", some.subscription(Platform|Extension)) != nil {
		t.Fatal("no subscription")
	}
	all.expect("1", first, second, "2")
	some.expect("1", second, "2")
	b.Publish(number(3))
	b.InitOver()
	b.Publish(number(4))
	late := newReceiver(t)
	if err := b.Subscribe("late", late.subscription(allKinds)); err != nil {
		t.Fatal(err)
	}
	b.Publish(number(5))
	all.expect("3", "4", "5")
	some.expect("3", "4", "5")
	late.expect("5")
}

func TestBacklogBounds(t *testing.T) {
	// Each takes as many bytes, whatever its number is.
	event := func(n, size int) item {
		return item{kind: Platform, plain: slices.Repeat([]byte{byte(n)}, size)}
	}
	cases := []struct {
		name             string
		count, size      int
		kept             int
		lostBytes, lostN int64
	}{
		{"all", 10, 100, 10, 0, 0},
		{"as many as can be", backlogItems, 100, backlogItems, 0, 0},
		{"one too many", backlogItems + 1, 100, backlogItems, 100, 1},
		{"as large as can be", 4, backlogBytes / 4, 4, 0, 0},
		{"too large together", 5, backlogBytes / 4, 4, backlogBytes / 4, 1},
		{"too large each", 3, backlogBytes + 1, 0, 3 * (backlogBytes + 1), 3},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			var log backlog
			for n := range c.count {
				log.add(event(n, c.size))
			}
			lost := log.lost[Platform]
			if len(log.items) != c.kept || log.bytes != c.kept*c.size || lost != (drops{c.lostN, c.lostBytes}) {
				t.Fatalf("%d kept, of %d bytes, lost %+v", len(log.items), log.bytes, lost)
			}
			for i, it := range log.items {
				if it.plain[0] != byte(c.count-c.kept+i) {
					t.Fatalf("at %d is %d: not the newest, in order", i, it.plain[0])
				}
			}
		})
	}
}

func TestBacklogTellsOfLoss(t *testing.T) {
	b, debug := newBus(t)
	for n := range backlogItems + 7 {
		b.Publish(number(n))
	}
	lines, platform := newReceiver(t), newReceiver(t)
	for _, r := range []struct {
		*receiver
		kinds Kind
	}{{lines, Function}, {platform, Platform}} {
		s := r.subscription(r.kinds)
		s.MaxItems = 10000
		if err := b.Subscribe(fmt.Sprint(r.kinds), s); err != nil {
			t.Fatal(err)
		}
	}
	only := line(b, Function, "only")
	lines.expect(only)
	platform.expectDropped(7)
	platform.expect("7", "8")
	b.Flush(soon())
	if strings.Contains(debug.String(), "has missed") {
		t.Errorf("somebody is said to have missed what it did not want: %s", debug)
	}
}

func TestReplacedSubscription(t *testing.T) {
	b, _ := newBus(t)
	b.Publish(number(1))
	logged := line(b, Function, "logged")
	first, second := newReceiver(t), newReceiver(t)
	if err := b.Subscribe("e", first.subscription(Platform)); err != nil {
		t.Fatal(err)
	}
	first.expect("1")
	b.Flush(soon())
	// The second has not had the lines yet, but what is of the platform.
	if err := b.Subscribe("e", second.subscription(Platform|Function)); err != nil {
		t.Fatal(err)
	}
	b.Publish(number(2))
	second.expect(logged, "2")
	if err := b.Subscribe("e", second.subscription(Function)); err != nil {
		t.Fatal(err)
	}
	b.Publish(number(3))
	second.expect(line(b, Function, "again"))
	if len(first.batches) > 0 {
		t.Errorf("the first got more: %v", <-first.batches)
	}
}

func TestReplacedWhileFirstHangs(t *testing.T) {
	b, _ := newBus(t)
	hanging := newReceiver(t)
	arrived, _ := hanging.hang()
	if err := b.Subscribe("e", hanging.subscription(Platform)); err != nil {
		t.Fatal(err)
	}
	b.Publish(number(1))
	<-arrived
	second := newReceiver(t)
	if err := b.Subscribe("e", second.subscription(Platform)); err != nil {
		t.Fatal(err)
	}
	b.Publish(number(2))
	second.expect("1", "2")
}

// TestOrder has many publish at once: of each, the order is kept, and nothing
// is lost or doubled.
func TestOrder(t *testing.T) {
	const publishers, events = 4, 300
	b, _ := newBus(t)
	b.InitOver()
	r := newReceiver(t)
	if err := b.Subscribe("e", r.subscription(Platform)); err != nil {
		t.Fatal(err)
	}
	var group sync.WaitGroup
	for p := range publishers {
		group.Go(func() {
			for n := range events {
				b.Publish(number(p*events + n))
			}
		})
	}
	group.Wait()
	b.Flush(soon())
	next := make([]int, publishers)
	for range publishers {
		for total := 0; total < events; {
			batch := r.take()
			if batch == nil {
				break
			}
			total += len(batch)
			for _, e := range batch {
				n, err := strconv.Atoi(string(e.Record))
				if err != nil || n%events != next[n/events] {
					t.Fatalf("%v comes in place of %v", e, next)
				}
				next[n/events]++
			}
		}
	}
	for p, n := range next {
		if n != events {
			t.Errorf("of publisher %d come %d events", p, n)
		}
	}
}

// take returns a batch that has come, or nil.
func (r *receiver) take() []seen {
	select {
	case batch := <-r.batches:
		return batch
	default:
		return nil
	}
}

func TestFlushSendsNow(t *testing.T) {
	b, _ := newBus(t)
	b.Flush(soon())
	r := newReceiver(t)
	s := r.subscription(Platform)
	s.Timeout = time.Hour
	if err := b.Subscribe("e", s); err != nil {
		t.Fatal(err)
	}
	b.Publish(number(1))
	b.Publish(number(2))
	b.Flush(soon())
	if batch := r.take(); len(batch) != 2 {
		t.Errorf("after Flush there is %v", batch)
	}
	b.Flush(soon())
	b.Publish(number(3))
	b.Flush(soon())
	if batch := r.take(); len(batch) != 1 {
		t.Errorf("after the next there is %v", batch)
	}
}

func BenchmarkPublishToNobody(b *testing.B) {
	bus := NewBus(nil)
	bus.InitOver()
	defer bus.Close()
	e := number(1)
	b.ReportAllocs()
	for b.Loop() {
		bus.Publish(e)
	}
}
