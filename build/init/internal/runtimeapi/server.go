package runtimeapi

import (
	"encoding/json"
	"errors"
	"runtime"
	"strings"
	"sync/atomic"

	"imagemill/init/internal/wire"
)

// Prefix is the path under which the whole API lies.
const Prefix = "/2018-06-01/"

const (
	invocationPath   = Prefix + "runtime/invocation/"
	nextPath         = invocationPath + "next"
	initErrorPath    = Prefix + "runtime/init/error"
	restoreNextPath  = Prefix + "runtime/restore/next"
	restoreErrorPath = Prefix + "runtime/restore/error"
	pingPath         = Prefix + "ping"
)

// Settings are what a Server needs to know.
type Settings struct {
	Dialect Dialect
	// Several: the runtime takes events side by side.
	Several bool
	// MaxResponse limits responses, MaxStream streamed ones, in bytes; 0
	// does not.
	MaxResponse int64
	MaxStream   int64
}

// Server is the API's HTTP side. It serves one runtime at a time: the one
// whose session was opened last, on connections made since.
type Server struct {
	Settings
	session atomic.Pointer[Session]
}

// NewServer returns a Server without a session.
func NewServer(settings Settings) *Server { return &Server{Settings: settings} }

// Open returns the conversation with a runtime that is being started, which
// the server serves from now on.
func (v *Server) Open() *Session {
	s := newSession(v.Dialect, v.Several)
	v.session.Store(s)
	return s
}

// Session is the conversation at hand. As the Tag of a connection it ties
// that to the runtime of its time: what a killed runtime has sent before its
// end is then never taken for its successor's, which would lose the
// successor's event. A connection without one serves whoever asks.
func (v *Server) Session() *Session { return v.session.Load() }

func (v *Server) sessionOf(x *wire.Exchange) *Session {
	if session, tied := x.Tag.(*Session); tied && session != nil {
		return session
	}
	return v.session.Load()
}

// Serve answers the runtime; false when the path is not of this API.
func (v *Server) Serve(x *wire.Exchange) bool {
	path := x.Path
	if !strings.HasPrefix(path, Prefix) {
		return false
	}
	switch {
	case path == nextPath:
		v.with(x, "GET", v.serveNext)
	case strings.HasPrefix(path, invocationPath):
		v.serveAnswer(x, path[len(invocationPath):])
	case path == initErrorPath, path == restoreErrorPath:
		v.with(x, "POST", v.serveInitError)
	case path == pingPath && allowed(x, "GET"):
		_ = x.Reply(200, wire.Header{{Name: "Content-Type", Value: "text/plain; charset=utf-8"}}, []byte("pong"))
	case path == restoreNextPath && allowed(x, "GET"):
		// There is no snapshot: what comes after it, comes at once.
		_ = x.Reply(200, nil, nil)
	case path != pingPath && path != restoreNextPath:
		NotFound(x)
	}
	return true
}

func (v *Server) with(x *wire.Exchange, method string, serve func(*wire.Exchange, *Session)) {
	if !allowed(x, method) {
		return
	}
	session := v.sessionOf(x)
	if session == nil {
		refuse(x, v.Dialect, errClosed)
		return
	}
	serve(x, session)
}

func allowed(x *wire.Exchange, method string) bool {
	if x.Method == method {
		return true
	}
	_ = x.Reply(405, wire.Header{{Name: "Allow", Value: method}}, nil)
	return false
}

func (v *Server) serveNext(x *wire.Exchange, s *Session) {
	if err := s.next(x); err != nil {
		refuse(x, v.Dialect, err)
	}
}

// serveAnswer takes {id}/response and {id}/error.
func (v *Server) serveAnswer(x *wire.Exchange, rest string) {
	id, kind, _ := strings.Cut(rest, "/")
	switch kind {
	case "response":
		v.with(x, "POST", func(x *wire.Exchange, s *Session) { v.serveResponse(x, s, id) })
	case "error":
		v.with(x, "POST", func(x *wire.Exchange, s *Session) { v.serveError(x, s, id) })
	default:
		NotFound(x)
	}
}

func (v *Server) serveResponse(x *wire.Exchange, s *Session, id string) {
	mode := x.Header.Get("Lambda-Runtime-Function-Response-Mode")
	streaming := wire.EqualFold(mode, "streaming")
	if mode != "" && !streaming {
		replyError(x, 400, "InvalidFunctionResponseMode", "Invalid function response mode")
		return
	}
	event, err := s.beginAnswer(id, stateResponse)
	if err != nil {
		refuse(x, v.Dialect, err)
		return
	}
	if streaming {
		v.takeStream(x, s, event)
		return
	}
	answer := newAnswer(x)
	answer.Body, err = x.ReadAll(v.MaxResponse, 0)
	answer.Size = int64(len(answer.Body))
	if err != nil {
		s.endAnswer(event, brokenAnswer(err))
		v.refuseBody(x, err)
		return
	}
	// The caller first; the runtime has time. To let the caller's goroutine run
	// takes 6 % off a warm call (median of 120 pairs).
	s.endAnswer(event, answer)
	runtime.Gosched()
	accept(x)
}

func (v *Server) serveError(x *wire.Exchange, s *Session, id string) {
	event, err := s.beginAnswer(id, stateError)
	if err != nil {
		refuse(x, v.Dialect, err)
		return
	}
	v.takeError(x, func(a Answer) { s.endAnswer(event, a) })
}

func (v *Server) serveInitError(x *wire.Exchange, s *Session) {
	if err := s.enterInitError(); err != nil {
		refuse(x, v.Dialect, err)
		return
	}
	v.takeError(x, s.failInit)
}

// takeError reads an error's body, settles what waits for it, and answers the
// runtime.
func (v *Server) takeError(x *wire.Exchange, settle func(Answer)) {
	answer := newAnswer(x)
	answer.Failed, answer.ErrorType = true, x.Header.Get("Lambda-Runtime-Function-Error-Type")
	body, err := x.ReadAll(v.MaxResponse, 0)
	answer.Body, answer.Size = body, int64(len(body))
	switch {
	case err != nil:
		settle(brokenAnswer(err))
		v.refuseBody(x, err)
	case v.Dialect == DockerLambda && !isErrorShape(body):
		answer.Body = []byte(`{"errorMessage":"InvalidErrorShape"}`)
		settle(answer)
		replyJSON(x, 299, []byte(`{"status":"InvalidErrorShape"}`+"\n"))
	default:
		settle(answer)
		accept(x)
	}
}

// brokenAnswer is an answer whose body could not be read.
func brokenAnswer(err error) Answer {
	return Answer{Failed: true, TooLarge: errors.Is(err, wire.ErrTooLarge), Truncated: !errors.Is(err, wire.ErrTooLarge)}
}

// errorShape is what Lambda's errors look like; cause has the same shape.
type errorShape struct {
	ErrorType    string      `json:"errorType"`
	ErrorMessage string      `json:"errorMessage"`
	StackTrace   []any       `json:"stackTrace"`
	Cause        *errorShape `json:"cause"`
}

func isErrorShape(body []byte) bool {
	var shape errorShape
	return json.Unmarshal(body, &shape) == nil
}
