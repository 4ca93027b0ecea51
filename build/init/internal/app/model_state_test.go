package app

import (
	"slices"
	"time"

	"imagemill/init/internal/engine"
	"imagemill/init/internal/runtimeapi"
)

// model is what must come of each step, as the contracts have it.
type model struct {
	dialect runtimeapi.Dialect
	now     func() time.Time

	// queue is who waits for the environment: invocations, and nil for a
	// restart that has to wait for its turn.
	queue   []*modelCall
	current *modelCall
	phase   phase
	until   time.Time

	rt modelRuntime

	// due is what requests and invocations must have got after a step.
	dueRequests map[*request]int
	dueCalls    map[*modelCall]bool
}

type phase int

const (
	initPhase phase = iota
	exchangePhase
	extensionsPhase // the caller has its answer
)

type modelCall struct {
	*caller
	kind engine.Kind
	body string
}

// modelRuntime is the conversation with one runtime, from init to end.
type modelRuntime struct {
	state    string
	ready    bool
	initOver bool
	failed   bool
	restart  bool // it is to be replaced
	held     *modelCall
	answered bool
	waiting  *modelCall
	parked   []*request

	extension    string // its state; empty for none
	extensionID  string
	wantsInvoke  bool
	extensionAsk *request
	told         bool
	closed       bool // to registrations
}

func (m *model) begin() { m.rt = modelRuntime{state: "INIT"} }

func (m *model) end(kind engine.Kind, body string) {
	m.current.kind, m.current.body = kind, body
	m.dueCalls[m.current] = true
}

// replace ends the conversation and begins another.
func (m *model) replace() {
	for _, r := range m.rt.parked {
		m.dueRequests[r] = 500
	}
	if m.rt.extensionAsk != nil {
		m.dueRequests[m.rt.extensionAsk] = 500
	}
	m.begin()
}

// ensure replaces a runtime that is of no more use.
func (m *model) ensure() {
	if m.rt.restart || m.rt.failed {
		m.replace()
	}
}

// pump gives the environment to whoever is next.
func (m *model) pump() {
	for m.current == nil && len(m.queue) > 0 {
		m.current, m.queue = m.queue[0], m.queue[1:]
		m.ensure()
		if m.current == nil {
			continue
		}
		m.phase, m.until = initPhase, m.now().Add(worldInitTimeout)
		if m.rt.initOver {
			m.exchange()
		}
	}
}

func (m *model) free() {
	m.current = nil
	m.pump()
}

// fail ends the invocation at hand and the runtime with it.
func (m *model) fail(kind engine.Kind, body string) {
	m.end(kind, body)
	m.replace()
	m.free()
}

func (m *model) exchange() {
	m.phase, m.until = exchangePhase, m.now().Add(worldTimeout)
	m.rt.told = m.rt.extension == "Ready" && m.rt.wantsInvoke
	if m.rt.told {
		m.dueRequests[m.rt.extensionAsk] = 200
		m.rt.extension, m.rt.extensionAsk = "Running", nil
	}
	if len(m.rt.parked) > 0 {
		r := m.rt.parked[0]
		m.rt.parked = m.rt.parked[1:]
		m.give(r, m.current)
		return
	}
	m.rt.waiting = m.current
}

func (m *model) give(r *request, c *modelCall) {
	m.dueRequests[r] = 200
	m.rt.state, m.rt.held, m.rt.answered, m.rt.waiting = "NEXT", c, false, nil
}

// settle looks whether the init is over.
func (m *model) settle() {
	idle := m.rt.extension == "" || m.rt.extension == "Ready"
	if m.rt.initOver || !m.rt.ready || !idle {
		return
	}
	m.rt.initOver, m.rt.closed = true, true
	if m.current != nil && m.phase == initPhase {
		m.exchange()
	}
}

// arrive is an invocation, or nil for a restart.
func (m *model) arrive(c *modelCall) {
	m.queue = append(m.queue, c)
	m.pump()
}

func (m *model) next(r *request) {
	holding := m.rt.held != nil && !m.rt.answered
	switch {
	case m.rt.state == "INIT_ERROR", m.dialect == runtimeapi.Emulator && holding:
		m.dueRequests[r] = 403
		return
	case m.rt.state != "NEXT":
		m.rt.held = nil
	}
	m.rt.state, m.rt.ready = "NEXT", true
	if m.rt.waiting != nil {
		m.give(r, m.rt.waiting)
		return
	}
	m.rt.parked = append(m.rt.parked, r)
	m.settle()
}

func (m *model) hangUp() *request {
	r := m.rt.parked[0]
	m.rt.parked = m.rt.parked[1:]
	m.dueRequests[r] = 0
	return r
}

// answer is a response or an error, to the event that the runtime has when
// known.
func (m *model) answer(r *request, state string, known bool, kind engine.Kind, body string) {
	switch {
	case !known || m.rt.held == nil:
		m.dueRequests[r] = 400
		return
	case m.rt.answered || m.rt.state != "NEXT":
		m.dueRequests[r] = 403
		return
	}
	m.dueRequests[r] = 202
	m.rt.state, m.rt.answered = state, true
	m.end(kind, body)
	if m.rt.told && m.rt.extension != "Ready" {
		m.phase = extensionsPhase
		return
	}
	m.free()
}

func (m *model) initError(r *request, body string) {
	if m.rt.state != "INIT" {
		m.dueRequests[r] = 403
		return
	}
	m.dueRequests[r] = 202
	m.rt.state, m.rt.initOver, m.rt.failed = "INIT_ERROR", true, true
	if m.current != nil && m.phase == initPhase {
		m.fail(engine.InitError, body)
	}
}

func (m *model) register(r *request, wantsInvoke bool) {
	if m.rt.closed || m.rt.extension != "" {
		m.dueRequests[r] = 403
		return
	}
	m.dueRequests[r] = 200
	m.rt.extension, m.rt.wantsInvoke = "Registered", wantsInvoke
}

// extensionNext: known is that the extension has registered with this
// runtime.
func (m *model) extensionNext(r *request, known bool) {
	if !known || m.rt.extensionAsk != nil || !slices.Contains([]string{"Registered", "Running", "Ready"}, m.rt.extension) {
		m.dueRequests[r] = 403
		return
	}
	m.rt.extension, m.rt.extensionAsk = "Ready", r
	m.settle()
	if m.current != nil && m.phase == extensionsPhase {
		m.free()
	}
}

func (m *model) extensionError(r *request, known, inInit bool) {
	if !known || m.rt.extension == "Failed" || inInit && m.rt.extension != "Registered" {
		m.dueRequests[r] = 403
		return
	}
	m.dueRequests[r] = 202
	m.rt.extension, m.rt.failed, m.rt.initOver = "Failed", true, true
	switch {
	case m.current == nil:
	case m.phase == extensionsPhase:
		m.replace()
		m.free()
	default:
		m.fail(engine.ExtensionFailure, "extension x reported My.Error")
	}
}

func (m *model) restart() {
	m.rt.restart = true
	if m.current != nil && m.phase == initPhase {
		m.replace()
		m.until = m.now().Add(worldInitTimeout)
	}
	m.arrive(nil)
}

// expire is that the time of what is under way is over.
func (m *model) expire() {
	switch m.phase {
	case extensionsPhase:
		m.replace()
		m.free()
	case initPhase:
		m.fail(engine.Timeout, "Task timed out after 10.00 seconds")
	default:
		m.fail(engine.Timeout, "Task timed out after 3.00 seconds")
	}
}

// close ends everything.
func (m *model) close() {
	if m.current != nil && m.phase != extensionsPhase {
		m.end(engine.Unavailable, "the emulator is shutting down")
	}
	for _, c := range m.queue {
		if m.current = c; c != nil {
			m.end(engine.Unavailable, "the emulator is shutting down")
		}
	}
	m.current, m.queue = nil, nil
	m.replace()
}
