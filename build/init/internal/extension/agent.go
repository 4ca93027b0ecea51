package extension

import (
	"encoding/json"
	"fmt"
	"time"

	"imagemill/init/internal/process"
	"imagemill/init/internal/wire"
)

// state is where an extension is in its life.
type state int

const (
	started state = iota // launched, and nothing heard of it
	registered
	ready   // waits for an event
	running // has one
	failing // has said that it will end
	gone
)

// The names are those of the emulator's messages.
func (s state) String() string {
	return [...]string{"Started", "Registered", "Ready", "Running", "Failed", "Exited"}[s]
}

// agent is one extension. The registry's lock guards it.
type agent struct {
	registry *Registry
	name     string
	id       string
	external bool
	invoke   bool
	shutdown bool
	state    state
	// child is nil for internal ones.
	child *process.Child
	// poll is its request for an event; pending are those not fetched yet.
	poll    *wire.Exchange
	pending [][]byte
}

func (a *agent) eventNames() []string {
	events := []string{}
	if a.invoke {
		events = append(events, "INVOKE")
	}
	if a.shutdown {
		events = append(events, "SHUTDOWN")
	}
	return events
}

func (a *agent) adopt(child *process.Child) {
	a.registry.mu.Lock()
	defer a.registry.mu.Unlock()
	a.child = child
	if a.registry.ending {
		child.Kill()
	}
}

// bury waits for the process's end. Unless the environment ends too, that is a
// failure of it.
func (a *agent) bury(child *process.Child) {
	<-child.Done()
	r := a.registry
	r.mu.Lock()
	defer r.mu.Unlock()
	if a.state != failing {
		r.failLocked("Extension.Crash", fmt.Sprintf("extension %s ended: %s", a.name, child.Exit()))
	}
	a.leave()
	r.changed()
}

// leave takes the extension out of the count.
func (a *agent) leave() {
	a.state = gone
	if poll := a.poll; poll != nil {
		a.poll = nil
		refuse(poll, &refusal{500, "InternalServerError", "Internal Server Error"})
	}
	if a.registry.settings.Unsubscribed != nil {
		a.registry.settings.Unsubscribed(a.name)
	}
}

// next parks a request for an event, or answers it.
func (a *agent) next(x *wire.Exchange) *refusal {
	r := a.registry
	r.mu.Lock()
	defer r.mu.Unlock()
	if a.state == started || a.state == failing || a.state == gone || a.poll != nil {
		return a.noTransition(ready)
	}
	a.state, a.poll = ready, x
	if len(a.pending) > 0 {
		event := a.pending[0]
		a.pending = a.pending[1:]
		a.tell(event)
		return nil
	}
	x.Defer(func() { a.hungUp(x) })
	r.changed()
	return nil
}

func (a *agent) hungUp(x *wire.Exchange) {
	a.registry.mu.Lock()
	defer a.registry.mu.Unlock()
	if a.poll == x {
		a.poll = nil
	}
}

// tell hands over an event, now or when it is asked for.
func (a *agent) tell(event []byte) {
	x := a.poll
	if x == nil {
		a.pending = append(a.pending, event)
		if a.state == ready {
			a.state = running
		}
		return
	}
	a.poll, a.state = nil, running
	header := wire.Header{
		{Name: "Content-Type", Value: "application/json"},
		{Name: "Lambda-Extension-Event-Identifier", Value: a.registry.settings.NewID()},
	}
	// Small, and to this machine: it does not wait. Whoever has gone will
	// ask again, or has ended.
	if x.Reply(200, header, event) != nil {
		a.pending = append(a.pending, event)
	}
}

// report takes init/error and exit/error: the extension is about to end.
func (a *agent) report(errorType, message string, inInit bool) *refusal {
	r := a.registry
	r.mu.Lock()
	defer r.mu.Unlock()
	if a.state == failing || a.state == gone || a.state == started || inInit && a.state != registered {
		return a.noTransition(failing)
	}
	a.state = failing
	r.failLocked(errorType, message)
	r.changed()
	return nil
}

func (a *agent) noTransition(to state) *refusal {
	return refused("Extension.InvalidExtensionState", fmt.Sprintf(
		"State transition from %s to %s failed for extension %s. Error: State transition is not allowed",
		a.state, to, a.name))
}

type tracing struct {
	Type  string `json:"type"`
	Value string `json:"value"`
}

func invokeEvent(inv Invocation) []byte {
	return encode(struct {
		EventType   string  `json:"eventType"`
		DeadlineMS  int64   `json:"deadlineMs"`
		RequestID   string  `json:"requestId"`
		FunctionARN string  `json:"invokedFunctionArn"`
		Tracing     tracing `json:"tracing"`
	}{"INVOKE", inv.Deadline.UnixMilli(), inv.RequestID, inv.FunctionARN, tracing{"X-Amzn-Trace-Id", inv.TraceID}})
}

func shutdownEvent(reason string, deadline time.Time) []byte {
	return encode(struct {
		EventType  string `json:"eventType"`
		Reason     string `json:"shutdownReason"`
		DeadlineMS int64  `json:"deadlineMs"`
	}{"SHUTDOWN", reason, deadline.UnixMilli()})
}

func encode(v any) []byte {
	out, err := json.Marshal(v)
	if err != nil {
		// Strings and numbers always have a JSON form.
		panic(err)
	}
	return out
}
