package telemetry

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
)

// seen is an event as a subscriber reads it.
type seen struct {
	Time   string          `json:"time"`
	Type   string          `json:"type"`
	Record json.RawMessage `json:"record"`
}

func (s seen) String() string { return s.Type + " " + string(s.Record) }

// receiver is a subscriber: it takes batches until it is told to do otherwise.
type receiver struct {
	t       *testing.T
	server  *httptest.Server
	batches chan []seen
	// unread is what is left of a batch.
	unread []seen

	mu sync.Mutex
	// misbehave, unless nil, answers requests. Its result is whether it has.
	misbehave func(w http.ResponseWriter, r *http.Request) bool
}

func newReceiver(t *testing.T) *receiver {
	t.Helper()
	r := &receiver{t: t, batches: make(chan []seen, 1000)}
	r.server = httptest.NewServer(r)
	t.Cleanup(r.server.Close)
	return r
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	r.mu.Lock()
	misbehave := r.misbehave
	r.mu.Unlock()
	if misbehave != nil && misbehave(w, request) {
		return
	}
	body, err := io.ReadAll(request.Body)
	if err != nil {
		// The subscription, or the test, has ended meanwhile.
		return
	}
	var batch []seen
	err = json.Unmarshal(body, &batch)
	if err != nil || request.Method != "POST" || request.Header.Get("Content-Type") != "application/json" {
		r.t.Errorf("%s of %.100q: %v", request.Method, body, err)
	}
	r.batches <- batch
}

func (r *receiver) set(misbehave func(http.ResponseWriter, *http.Request) bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.misbehave = misbehave
}

// subscription is one that this receiver makes, of what is sent at once.
func (r *receiver) subscription(kinds Kind) Subscription {
	return subscriptionTo(Destination{"HTTP", r.server.Listener.Addr().String(), "sandbox:1", "/events"}, kinds)
}

func subscriptionTo(d Destination, kinds Kind) Subscription {
	return Subscription{"2022-12-13", kinds, d, 1000, 1 << 20, time.Millisecond}
}

// expect waits for the records of so many events, in however many batches.
func (r *receiver) expect(expected ...string) {
	r.t.Helper()
	var found []string
	for range expected {
		found = append(found, string(r.next().Record))
	}
	if strings.Join(found, "\n") != strings.Join(expected, "\n") {
		r.t.Fatalf("expected %q, found %q", expected, found)
	}
}

// expectDropped waits for a notice of so many lost events.
func (r *receiver) expectDropped(expected int) {
	r.t.Helper()
	notice := r.next()
	if notice.Type != "platform.logsDropped" ||
		!strings.Contains(string(notice.Record), fmt.Sprintf(`"droppedRecords":%d,`, expected)) {
		r.t.Fatalf("expected a notice of %d, found %v", expected, notice)
	}
}

// next waits for one event.
func (r *receiver) next() seen {
	r.t.Helper()
	if len(r.unread) == 0 {
		r.unread = r.batch()
	}
	first := r.unread[0]
	r.unread = r.unread[1:]
	return first
}

// patient is what tests wait for something that is to come.
const patient = 10 * time.Second

func (r *receiver) batch() []seen {
	r.t.Helper()
	select {
	case batch := <-r.batches:
		return batch
	case <-time.After(patient):
		r.t.Fatal("no batch comes")
		return nil
	}
}

// debugLines are what a bus writes for those who look for a fault.
type debugLines struct {
	mu   sync.Mutex
	text strings.Builder
}

func (d *debugLines) add(format string, args ...any) {
	d.mu.Lock()
	defer d.mu.Unlock()
	fmt.Fprintf(&d.text, format+"\n", args...)
}

func (d *debugLines) String() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.text.String()
}

// newBus returns a Bus that has little patience. At the end of the test it is
// closed, and none of its goroutines may be left.
func newBus(t *testing.T) (*Bus, *debugLines) {
	t.Helper()
	lines := &debugLines{}
	b := NewBus(lines.add)
	b.patience = patience{dial: time.Second, answer: patient, pauses: []time.Duration{time.Millisecond, time.Millisecond}}
	t.Cleanup(func() {
		b.Close()
		stacks := make([]byte, 1<<20)
		stacks = stacks[:runtime.Stack(stacks, true)]
		if bytes.Contains(stacks, []byte("telemetry.(*subscriber)")) {
			t.Errorf("goroutines are left:\n%s", stacks)
		}
	})
	return b, lines
}

func soon() time.Time { return time.Now().Add(patient) }

func number(n int) Event { return Event{time.Now(), "platform.number", n} }

// line publishes a line, and returns its record.
func line(b *Bus, kind Kind, text string) string {
	b.Line(kind, []byte(text))
	return string(appendString(nil, text))
}
