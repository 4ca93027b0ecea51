package extension

import (
	"encoding/json"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"
)

var invocation = Invocation{RequestID: "r-1", FunctionARN: "arn", TraceID: "Root=1", Deadline: time.UnixMilli(1234)}

const invocationEvent = `{"eventType":"INVOKE","deadlineMs":1234,"requestId":"r-1","invokedFunctionArn":"arn",` +
	`"tracing":{"type":"X-Amzn-Trace-Id","value":"Root=1"}}`

func TestInvoke(t *testing.T) {
	t.Parallel()
	a := newAPI(t, nil)
	if a.registry.Invoke(invocation) != nil {
		t.Fatal("nobody is there, and somebody is told")
	}
	deaf := a.ask(a.must("deaf", ""))
	if a.registry.Invoke(invocation) != nil {
		t.Fatal("nobody wants to know, and somebody is told")
	}
	id := a.must("one", `"INVOKE"`)
	answer := a.ask(id)
	done := a.registry.Invoke(invocation)
	found := receive(t, answer)
	if found.Code != 200 || found.Body != invocationEvent {
		t.Errorf("expected %s, found %d %s", invocationEvent, found.Code, found.Body)
	}
	if event := found.Header.Get("Lambda-Extension-Event-Identifier"); !isID(event) || event == id {
		t.Errorf("event identifier %q", event)
	}
	if isDone(done) {
		t.Error("done before the extension has asked for the next event")
	}
	a.ask(id)
	await(t, done, "the end of the invocation")
	if len(deaf) > 0 {
		t.Error("one that does not want to know was told")
	}
}

// What comes while an extension is busy, it gets afterwards, in order.
func TestPendingEvents(t *testing.T) {
	t.Parallel()
	a := newAPI(t, nil)
	id := a.must("one", `"INVOKE"`)
	a.ask(id)
	var ends []<-chan struct{}
	for _, name := range []string{"r-1", "r-2", "r-3"} {
		ends = append(ends, a.registry.Invoke(Invocation{RequestID: name}))
	}
	for _, name := range []string{"r-2", "r-3"} {
		found := a.Call("GET", nextPath, "", idHeader, id)
		var event struct{ RequestID string }
		if err := json.Unmarshal([]byte(found.Body), &event); err != nil || event.RequestID != name {
			t.Errorf("expected %s, found %s", name, found.Body)
		}
		if isDone(ends[0]) {
			t.Error("done while there is more to tell")
		}
	}
	a.ask(id)
	for _, end := range ends {
		await(t, end, "the end")
	}
}

// An event is not lost with the connection that waited for it.
func TestHungUp(t *testing.T) {
	t.Parallel()
	a := newAPI(t, nil)
	id := a.must("one", `"INVOKE"`)
	conn, err := net.Dial("tcp", strings.TrimPrefix(a.URL, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: x\r\n%s: %s\r\n\r\n", nextPath, idHeader, id); err != nil {
		t.Fatal(err)
	}
	a.awaitPolls(1)
	if err := conn.Close(); err != nil {
		t.Fatal(err)
	}
	a.awaitPolls(0)
	done := a.registry.Invoke(invocation)
	if isDone(done) {
		t.Error("done though nobody has had the event")
	}
	if found := a.Call("GET", nextPath, "", idHeader, id); found.Body != invocationEvent {
		t.Errorf("expected %s, found %d %s", invocationEvent, found.Code, found.Body)
	}
	a.ask(id)
	await(t, done, "the end of the invocation")
}

// awaitPolls waits until that many extensions wait for an event.
func (a *api) awaitPolls(expected int) {
	a.t.Helper()
	polls := func() (n int) {
		a.registry.mu.Lock()
		defer a.registry.mu.Unlock()
		for _, agent := range a.registry.agents {
			if agent.poll != nil {
				n++
			}
		}
		return n
	}
	for deadline := time.Now().Add(patience); polls() != expected; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			a.t.Fatalf("expected %d to wait, found %d", expected, polls())
		}
	}
}
