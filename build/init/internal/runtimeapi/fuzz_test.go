package runtimeapi

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"testing"
)

// FuzzAPI plays scripts: two bytes a step, of what a runtime may send and the
// engine may do. Each answer is checked against a machine that knows only
// which step may follow which.
func FuzzAPI(f *testing.F) {
	for _, seed := range []string{
		"\x00d\x00n\x00r\x00n\x00d\x00e\x00n\x00", // a life of docker-lambda's
		"\x01d\x00n\x00r\x00n\x00d\x00e\x00n\x00", // and of the emulator's
		"\x02d\x00d\x00n\x00n\x00r\x20r\x00n\x00", // two side by side
		"\x00n\x00n\x00d\x00r\x00d\x00r\x00",      // two requests for an event wait
		"\x00i\x00i\x00n\x00r\x00", "\x01i\x01n\x00i\x02i\x03", "\x00i\x04n\x00",
		"\x00d\x00n\x00n\x00r\x00d\x00r\x00", "\x01d\x00n\x00n\x00r\x00r\x00",
		"\x00d\x00n\x00f\x00r\x00d\x00n\x00r\x00", "\x00d\x00w\x00n\x00d\x00r\x00",
		"\x00n\x00h\x00d\x00n\x00c\x00r\x00n\x00", "\x00n\x00c\x00d\x00n\x00i\x00e\x00",
		"\x00d\x80n\x00r\x08n\x00d\x80n\x00r\x18n\x00d\x80n\x00r\x0a", // streamed, with an error behind, too large
		"\x01d\x00n\x00r\x0cn\x00d\x00n\x00r\x04n\x00d\x00n\x00e\x04", // broken off
		"\x00d\x00n\x00r\x02n\x00d\x00n\x00e\x01n\x00d\x00n\x00e\x03", // too large, of no shape
		"\x00p\x00p\x01p\x02p\x03p\x04d\x00n\x00r\xe0r\xc0e\xc0e\xe0r\x00r\xa0", "\x03d\x00d\x00d\x00n\x00n\x00n\x00f\x01r\x00r\x20r\x40r\xa0",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, script []byte) {
		if len(script) == 0 {
			return
		}
		p := newPlayer(t, script[0])
		for script = script[1:min(len(script), 129)]; len(script) > 1; script = script[2:] {
			p.step(script[0], script[1])
		}
		p.finish()
	})
}

// player plays a script.
type player struct {
	*api
	m      machine
	main   *peer
	parked []*peer
	events []*Event
	// expected are the answers that events must have had.
	expected map[*Event]Answer
	streams  map[*Event]*collector
}

const (
	fuzzLimit       = 100
	fuzzStreamLimit = 200
)

func newPlayer(t *testing.T, flags byte) *player {
	m := machine{dialect: Dialect(flags & 1), several: flags&2 != 0, state: "INIT"}
	a := newAPI(t, Settings{Dialect: m.dialect, Several: m.several, MaxResponse: fuzzLimit, MaxStream: fuzzStreamLimit})
	return &player{api: a, m: m, expected: map[*Event]Answer{}, streams: map[*Event]*collector{}}
}

func (p *player) step(kind, arg byte) {
	switch kind % 16 {
	case 'n' % 16:
		p.next()
	case 'r' % 16:
		p.answer("response", "INVOKE_RESPONSE", arg)
	case 'e' % 16:
		p.answer("error", "INVOKE_ERROR", arg)
	case 'i' % 16:
		p.initError(arg)
	case 'd' % 16:
		p.deliver(arg)
	case 'w' % 16:
		p.withdraw()
	case 'f' % 16:
		p.forget(arg)
	case 'c' % 16:
		p.close()
	case 'h' % 16:
		p.hangUp()
	case 'p' % 16:
		p.pathAlone(arg)
	}
}

const getNext = "GET " + nextPath + " HTTP/1.1\r\nHost: x\r\n\r\n"

func (p *player) next() {
	refusal := "closed"
	if !p.m.closed {
		refusal = p.m.enter("INVOKE_NEXT")
	}
	if refusal == "" && len(p.m.waiting) == 0 {
		peer := p.connect()
		if _, err := io.WriteString(peer.conn, getNext); err != nil {
			p.t.Fatal(err)
		}
		p.parked = append(p.parked, peer)
		p.await(len(p.parked))
		return
	}
	status, header, body := p.send(getNext, false)
	switch {
	case p.m.closed:
		p.check("next", status, body, 500, "InternalServerError")
	case refusal != "":
		p.checkRefused("next", status, body, refusal)
	default:
		e := p.m.waiting[0]
		p.m.waiting = p.m.waiting[1:]
		p.m.give(e)
		p.checkEvent(e, status, header, body)
	}
}

func (p *player) checkEvent(e *Event, status int, header http.Header, body string) {
	p.t.Helper()
	p.check("next", status, body, 200, string(e.Payload))
	if id := header.Get("Lambda-Runtime-Aws-Request-Id"); id != e.RequestID {
		p.t.Fatalf("expected event %s, found %s", e.RequestID, id)
	}
}

// target is the id of one of the events that the runtime has, or of another.
func (p *player) target(arg byte) (string, *Event) {
	which := int(arg >> 5)
	switch {
	case which == 6 || len(p.events) == 0:
		return "stranger", nil
	case which > 3 || len(p.m.held) == 0:
		e := p.events[0]
		if !slices.Contains(p.m.held, e) {
			return e.RequestID, nil
		}
		return e.RequestID, e
	}
	e := p.m.held[which%len(p.m.held)]
	return e.RequestID, e
}

func (p *player) answer(path, to string, arg byte) {
	id, e := p.target(arg)
	b := newFuzzBody(path, arg)
	status, _, body := p.send(b.request(invocationPath+id+"/"+path), b.broken)
	if b.mode == "buffered" && path == "response" {
		p.check(path, status, body, 400, "InvalidFunctionResponseMode")
		return
	}
	if e == nil || p.m.closed {
		p.check(path, status, body, 400, "InvalidRequestID")
		return
	}
	if refusal := p.m.enter(to); refusal != "" {
		p.checkRefused(path, status, body, refusal)
		return
	}
	if p.m.several {
		p.m.held = slices.DeleteFunc(p.m.held, func(other *Event) bool { return other == e })
	}
	taker := p.streams[e] != nil && path == "response" && b.mode == "streaming"
	expected := b.answer(p.m.dialect, path == "error", taker)
	p.expected[e] = expected.Answer
	p.check(path, status, body, expected.status, expected.part)
}

func (p *player) initError(arg byte) {
	b := newFuzzBody("error", arg)
	status, _, body := p.send(b.request(initErrorPath), b.broken)
	if p.m.closed {
		p.check("init error", status, body, 500, "InternalServerError")
		return
	}
	if refusal := p.m.enter("INIT_ERROR"); refusal != "" {
		p.checkRefused("init error", status, body, refusal)
		return
	}
	expected := b.answer(p.m.dialect, true, false)
	p.check("init error", status, body, expected.status, expected.part)
	<-p.session.InitFailed()
	sameAnswer(p.t, p.session.InitFailure(), expected.Answer)
}

// deliver has an event come: one at a time, unless the runtime takes several.
func (p *player) deliver(arg byte) {
	busy := len(p.m.waiting) > 0
	for _, e := range p.m.held {
		_, answered := p.expected[e]
		busy = busy || !answered
	}
	if busy && !p.m.several || len(p.m.waiting) > 4 {
		return
	}
	spec := Event{RequestID: fmt.Sprint("id-", len(p.events)), Payload: fmt.Appendf(nil, `{"event":%d}`, len(p.events))}
	var stream *collector
	if arg&0x80 != 0 {
		stream = new(collector)
		spec.Taker = stream
	}
	e := NewEvent(spec)
	p.events, p.streams[e] = append(p.events, e), stream
	p.session.Deliver(e)
	switch {
	case p.m.closed:
	case len(p.parked) > 0:
		p.m.give(e)
		peer := p.parked[0]
		p.parked = p.parked[1:]
		status, header, body := p.read(peer)
		p.checkEvent(e, status, header, body)
	default:
		p.m.waiting = append(p.m.waiting, e)
	}
}

func (p *player) withdraw() {
	if len(p.events) == 0 {
		return
	}
	e := p.events[len(p.events)-1]
	i := slices.Index(p.m.waiting, e)
	if found := p.session.Withdraw(e); found != (i >= 0) {
		p.t.Fatalf("withdrew event %s: %v", e.RequestID, found)
	}
	if i >= 0 {
		p.m.waiting = slices.Delete(p.m.waiting, i, i+1)
	}
}

// forget is what becomes of an event whose time is over.
func (p *player) forget(arg byte) {
	if len(p.m.held) == 0 {
		return
	}
	i := int(arg) % len(p.m.held)
	e := p.m.held[i]
	if _, answered := p.expected[e]; answered {
		return
	}
	p.session.Forget(e)
	p.m.held = slices.Delete(p.m.held, i, i+1)
}

func (p *player) close() {
	p.session.Close()
	for _, peer := range p.parked {
		status, _, body := p.read(peer)
		p.check("next at the end", status, body, 500, "InternalServerError")
	}
	p.parked, p.m.waiting, p.m.closed = nil, nil, true
}

func (p *player) hangUp() {
	if len(p.parked) == 0 {
		return
	}
	_ = p.parked[0].conn.Close()
	p.parked = p.parked[1:]
	p.await(len(p.parked))
}

func (p *player) pathAlone(arg byte) {
	cases := []struct {
		request string
		status  int
		part    string
	}{
		{"GET " + pingPath, 200, "pong"},
		{"GET " + restoreNextPath, 200, ""},
		{"GET " + Prefix + "other", 404, "not found"},
		{"POST " + invocationPath + "id-0/other", 404, "not found"},
		{"GET " + initErrorPath, 405, ""},
		{"PUT " + invocationPath + "id-0/response", 405, ""},
		{"POST " + nextPath, 405, ""},
	}
	c := cases[int(arg)%len(cases)]
	status, _, body := p.send(c.request+" HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n", false)
	p.check(c.request, status, body, c.status, c.part)
}

// finish checks what became of every event, and that the runtime can end its
// life in order.
func (p *player) finish() {
	if !p.m.closed {
		p.close()
	}
	for _, e := range p.events {
		expected, answered := p.expected[e]
		select {
		case found := <-e.Answered():
			if !answered {
				p.t.Fatalf("event %s was answered with %+v", e.RequestID, found)
			}
			if expected.Streamed && !found.Failed {
				found.Body = *p.streams[e]
			}
			sameAnswer(p.t, found, expected)
		default:
			if answered {
				p.t.Fatalf("event %s was not answered", e.RequestID)
			}
		}
		if len(e.Answered()) > 0 {
			p.t.Fatalf("event %s was answered twice", e.RequestID)
		}
	}
}
