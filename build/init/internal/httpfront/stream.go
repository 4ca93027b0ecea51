package httpfront

import (
	"errors"
	"sync"

	"imagemill/init/internal/engine"
	"imagemill/init/internal/httpevent"
	"imagemill/init/internal/relay"
	"imagemill/init/internal/wire"
)

var errNoPrelude = errors.New("the response ended within its prelude")

// stream has the function answer piece by piece.
func (f *Front) stream(x *wire.Exchange, r *httpevent.Request, inv *engine.Invocation) {
	s := &httpStream{relay: relay.New(x), head: func(fields []httpevent.Field) wire.Header { return f.header(r, fields) }}
	inv.Taker = s
	out := f.Invoker.Invoke(inv, nil)
	if !out.Streamed && !s.relay.Begun() {
		f.reply(x, r, f.response(out), bodyTimeout)
		return
	}
	fault := s.fault()
	if fault != nil {
		f.Log("The function's answer to request %s is malformed: %v", out.RequestID, fault)
	} else if out.Kind == engine.Success {
		s.start()
	}
	if !s.relay.Begun() {
		f.reply(x, r, httpevent.BadGateway(f.Settings), bodyTimeout)
	}
	// A client that is gone does not need the rest. What begins only now ends,
	// too.
	_ = s.relay.End(nil, out.Kind == engine.Success)
}

// httpStream turns a streamed response into an HTTP response: its head is in
// the prelude, if there is one.
type httpStream struct {
	relay *relay.Relay
	head  func([]httpevent.Field) wire.Header

	mu sync.Mutex
	// plain is the content type of a response without a prelude. Its head is
	// sent with its first byte: an error before that has a status of its own.
	plain string
	// prelude: it is still to come, and held is what has come of it.
	prelude bool
	held    []byte
	err     error
}

// Begin is the head of the runtime's answer.
func (s *httpStream) Begin(contentType string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if contentType == httpevent.PreludeType {
		s.prelude = true
		return
	}
	if contentType == "" {
		contentType = "application/octet-stream"
	}
	s.plain = contentType
}

// start sends the head of a response without a prelude, once.
func (s *httpStream) start() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.plain != "" {
		s.relay.Begin(200, s.head([]httpevent.Field{{Name: "Content-Type", Value: s.plain}}))
		s.plain = ""
	}
}

// Write is a piece of it.
func (s *httpStream) Write(piece []byte) {
	if s.inPrelude(piece) {
		return
	}
	if len(piece) > 0 {
		s.start()
	}
	s.relay.Write(piece)
}

// inPrelude takes a piece that belongs to the prelude.
func (s *httpStream) inPrelude(piece []byte) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.prelude || s.err != nil {
		return s.err != nil
	}
	s.held = append(s.held, piece...)
	p, at, complete, err := httpevent.ParsePrelude(s.held)
	if err != nil {
		s.err = err
		return true
	}
	if complete {
		s.prelude = false
		s.relay.Begin(p.Status, s.head(p.Header))
		s.relay.Write(s.held[at:])
		s.held = nil
	}
	return true
}

// fault is what is wrong with a response that has come to its end.
func (s *httpStream) fault() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err == nil && s.prelude {
		return errNoPrelude
	}
	return s.err
}
