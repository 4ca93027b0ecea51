package telemetry

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// hang has requests stay without an answer until they are released, or the
// test is over. arrived is told of each.
func (r *receiver) hang() (arrived <-chan struct{}, release func()) {
	came, gate, over := make(chan struct{}, 1000), make(chan struct{}), make(chan struct{})
	r.set(func(http.ResponseWriter, *http.Request) bool {
		came <- struct{}{}
		select {
		case <-gate:
			return false
		case <-over:
			return true
		}
	})
	r.t.Cleanup(func() { close(over) })
	return came, func() { close(gate) }
}

func TestRefusedUntilItListens(t *testing.T) {
	b, debug := newBus(t)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	_ = listener.Close()
	refusing := Destination{"HTTP", address, "sandbox:1", "/"}
	if err := b.Subscribe("e", subscriptionTo(refusing, Platform)); err != nil {
		t.Fatal(err)
	}
	b.Publish(number(1))
	b.Flush(soon())
	if !strings.Contains(debug.String(), "given up: no connection to the subscriber") {
		t.Errorf("the debug lines are %s", debug)
	}
	// Whoever listens now is told what was lost, and then what is new.
	r := newReceiver(t)
	if err := b.Subscribe("e", r.subscription(Platform)); err != nil {
		t.Fatal(err)
	}
	b.Publish(number(2))
	r.expectDropped(1)
	r.expect("2")
}

func TestAlways500(t *testing.T) {
	b, _ := newBus(t)
	r := newReceiver(t)
	var requests atomic.Int32
	r.set(func(w http.ResponseWriter, _ *http.Request) bool {
		requests.Add(1)
		w.WriteHeader(500)
		return true
	})
	if err := b.Subscribe("e", r.subscription(Platform)); err != nil {
		t.Fatal(err)
	}
	for n := range 3 {
		b.Publish(number(n))
		b.Flush(soon())
	}
	r.set(nil)
	b.Publish(number(3))
	r.expectDropped(3)
	r.expect("3")
	// Each of three batches was tried three times.
	if found := requests.Load(); found != 9 {
		t.Errorf("%d requests", found)
	}
}

// TestHangs: a subscriber that takes requests and says nothing costs neither
// time nor memory without bounds.
func TestHangs(t *testing.T) {
	b, _ := newBus(t)
	b.patience = patience{dial: time.Second, answer: 10 * time.Millisecond}
	r := newReceiver(t)
	arrived, _ := r.hang()
	if err := b.Subscribe("e", r.subscription(Platform)); err != nil {
		t.Fatal(err)
	}
	b.Publish(number(1))
	<-arrived
	b.Flush(soon())
	r.set(nil)
	b.Publish(number(2))
	r.expectDropped(1)
	r.expect("2")
}

func TestFlushEndsWithItsDeadline(t *testing.T) {
	b, debug := newBus(t)
	r := newReceiver(t)
	arrived, _ := r.hang()
	if err := b.Subscribe("e", r.subscription(Platform)); err != nil {
		t.Fatal(err)
	}
	b.Publish(number(1))
	<-arrived
	began := time.Now()
	b.Flush(began.Add(20 * time.Millisecond))
	if took := time.Since(began); took < 20*time.Millisecond || took > patient/2 {
		t.Errorf("Flush took %v", took)
	}
	if !strings.Contains(debug.String(), "not all could be delivered") {
		t.Errorf("debug lines: %s", debug)
	}
	// What hangs is ended by Close, before the time for an answer is over.
	began = time.Now()
	b.Close()
	if took := time.Since(began); took > patient/2 {
		t.Errorf("Close took %v", took)
	}
}

func TestUnsubscribeWhileItHangs(t *testing.T) {
	b, _ := newBus(t)
	r := newReceiver(t)
	arrived, _ := r.hang()
	if err := b.Subscribe("e", r.subscription(Platform)); err != nil {
		t.Fatal(err)
	}
	b.Publish(number(1))
	<-arrived
	// One is under way and one has not been tried.
	b.Publish(number(2))
	b.mu.Lock()
	settled := b.subscribers["e"].flush()
	b.mu.Unlock()
	b.Unsubscribe("e")
	select {
	case <-settled:
	case <-time.After(patient / 2):
		t.Error("whoever waits for a subscriber that has gone waits on")
	}
}

// TestSlow: beyond the queue's bounds events are dropped, and counted; what is
// queued comes in order, and the notice after it.
func TestSlow(t *testing.T) {
	b, debug := newBus(t)
	b.InitOver()
	r := newReceiver(t)
	arrived, release := r.hang()
	s := r.subscription(Platform)
	s.MaxItems = 4
	if err := b.Subscribe("e", s); err != nil {
		t.Fatal(err)
	}
	b.Publish(number(0))
	<-arrived
	for n := range 100 {
		b.Publish(number(n + 1))
	}
	r.set(nil)
	release()
	r.expect("0", "1", "2", "3", "4", "5", "6", "7")
	r.expectDropped(93)
	b.Publish(number(101))
	r.expect("101")
	if !strings.Contains(debug.String(), "has missed 93 events") {
		t.Errorf("debug lines: %s", debug)
	}
}

func TestSlowIsNotToldWhatItDoesNotWant(t *testing.T) {
	b, debug := newBus(t)
	r := newReceiver(t)
	arrived, release := r.hang()
	s := r.subscription(Function)
	s.MaxItems = 2
	if err := b.Subscribe("e", s); err != nil {
		t.Fatal(err)
	}
	expected := []string{line(b, Function, "0")}
	<-arrived
	for n := range 10 {
		text := line(b, Function, fmt.Sprint(n+1))
		if n < 3 {
			expected = append(expected, text)
		}
	}
	r.set(nil)
	release()
	r.expect(expected...)
	b.Flush(soon())
	expected = []string{line(b, Function, "last")}
	r.expect(expected...)
	if !strings.Contains(debug.String(), "has missed 7 events") {
		t.Errorf("debug lines: %s", debug)
	}
}

func TestConnectionIsKept(t *testing.T) {
	b, _ := newBus(t)
	r := newReceiver(t)
	addresses := make(chan string, 3)
	r.set(func(_ http.ResponseWriter, request *http.Request) bool {
		addresses <- request.RemoteAddr + " " + request.Host + " " + request.URL.Path
		return false
	})
	if err := b.Subscribe("e", r.subscription(Platform)); err != nil {
		t.Fatal(err)
	}
	for n := range 3 {
		b.Publish(number(n))
		b.Flush(soon())
	}
	first, second, third := <-addresses, <-addresses, <-addresses
	if first != second || second != third || !strings.HasSuffix(first, " sandbox:1 /events") {
		t.Errorf("requests: %s, %s, %s", first, second, third)
	}
	// When the other side ends it, the next batch takes another.
	r.server.CloseClientConnections()
	b.Publish(number(3))
	r.expect("0", "1", "2", "3")
}

func TestLargeBatchGivesMemoryBack(t *testing.T) {
	r := newReceiver(t)
	s := newSubscriber("e", r.subscription(Platform), standardPatience, func(string, ...any) {})
	defer s.end()
	text := strings.Repeat("x", keptBody)
	for _, c := range []struct {
		text string
		kept bool
	}{{text[:1000], true}, {text, false}} {
		event := Event{moment, "platform.x", c.text}
		if err := s.send([]entry{{data: event.AppendJSON(nil)}}); err != nil {
			t.Fatal(err)
		}
		r.expect(`"` + c.text + `"`)
		if kept := cap(s.body) > 0; kept != c.kept {
			t.Errorf("after %d bytes, room for %d is kept", len(c.text), cap(s.body))
		}
	}
}

func TestTCP(t *testing.T) {
	b, _ := newBus(t)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	destination := Destination{Protocol: "TCP", Address: listener.Addr().String()}
	if err := b.Subscribe("e", subscriptionTo(destination, Platform|Function)); err != nil {
		t.Fatal(err)
	}
	next := func(reader *bufio.Reader) string {
		text, err := reader.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		_, record, _ := strings.Cut(strings.TrimSpace(text), `"record":`)
		return record
	}
	accept := func() (net.Conn, *bufio.Reader) {
		conn, err := listener.Accept()
		if err != nil {
			t.Fatal(err)
		}
		_ = conn.SetDeadline(soon())
		return conn, bufio.NewReader(conn)
	}
	b.Publish(number(1))
	b.Line(Function, []byte("{\"a\":\n1}"))
	conn, reader := accept()
	if one, two := next(reader), next(reader); one != "1}" || two != `{"a":1}}` {
		t.Errorf("found %s, %s", one, two)
	}
	// What it says is passed over.
	if _, err := io.WriteString(conn, "thank you\n"); err != nil {
		t.Fatal(err)
	}
	b.Publish(number(2))
	if found := next(reader); found != "2}" {
		t.Errorf("found %s", found)
	}
	_ = conn.Close()
	b.Publish(number(3))
	conn, reader = accept()
	if found := next(reader); found != "3}" {
		t.Errorf("on the next connection is %s", found)
	}
	_ = conn.Close()
}
