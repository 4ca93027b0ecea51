package runtimeapi

import (
	"io"
	"slices"
	"testing"
	"time"

	"imagemill/init/internal/wire"
	"imagemill/init/internal/wiretest"
)

// An event whose time is over while it is being written is not written again
// to another request, once the first has turned out to be gone.
func TestForgottenEventStaysForgotten(t *testing.T) {
	a := &api{t: t, server: NewServer(Settings{Several: true}), event: newEvent("id-1")}
	a.session = a.server.Open()
	served := make(chan struct{}, 2)
	a.Server = wiretest.Handle(t, func(x *wire.Exchange) {
		a.server.Serve(x)
		served <- struct{}{}
	})
	late := NewEvent(Event{RequestID: "late", Payload: make([]byte, 16<<20)})
	a.session.Deliver(late)
	p := &player{api: a}
	deaf := p.connect()
	if _, err := io.WriteString(deaf.conn, getNext); err != nil {
		t.Fatal(err)
	}
	a.awaitTaken(late)
	a.session.Forget(late)
	a.session.Deliver(a.event)
	if err := deaf.conn.Close(); err != nil {
		t.Fatal(err)
	}
	select {
	case <-served:
	case <-time.After(10 * time.Second):
		t.Fatal("the end of the connection was not seen")
	}
	if found := a.step(next, "").Header.Get("Lambda-Runtime-Aws-Request-Id"); found != a.event.RequestID {
		t.Errorf("expected event %s, found %s", a.event.RequestID, found)
	}
}

// awaitTaken waits until the runtime has an event.
func (a *api) awaitTaken(e *Event) {
	a.t.Helper()
	taken := func() bool {
		a.session.mu.Lock()
		defer a.session.mu.Unlock()
		return slices.Contains(a.session.taken, e)
	}
	for deadline := time.Now().Add(10 * time.Second); !taken(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			a.t.Fatalf("nobody has taken event %s", e.RequestID)
		}
	}
}
