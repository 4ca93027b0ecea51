package runtimeapi

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
)

// Prefix is the path under which the whole API lies.
const Prefix = "/2018-06-01/"

const (
	invocationPath = Prefix + "runtime/invocation/"
	nextPath       = invocationPath + "next"
	initErrorPath  = Prefix + "runtime/init/error"
	pingPath       = Prefix + "ping"
)

// Server is the API's HTTP side. It serves one runtime at a time: the one
// whose session was attached last, on connections made since.
type Server struct {
	dialect     Dialect
	maxResponse int64
	session     atomic.Pointer[Session]
}

// NewServer returns a Server. maxResponse limits responses, in bytes; 0 does
// not.
func NewServer(dialect Dialect, maxResponse int64) *Server {
	return &Server{dialect: dialect, maxResponse: maxResponse}
}

// Attach makes s the conversation that the server serves.
func (v *Server) Attach(s *Session) { v.session.Store(s) }

type sessionKey struct{}

// ConnContext, as an http.Server's, ties a connection to the runtime that is
// attached when it is made. What a killed runtime has sent before its end is
// then never taken for its successor's, which would lose the successor's
// event. A server without it serves whoever asks.
func (v *Server) ConnContext(ctx context.Context, _ net.Conn) context.Context {
	return context.WithValue(ctx, sessionKey{}, v.session.Load())
}

func (v *Server) sessionOf(r *http.Request) *Session {
	if session, tied := r.Context().Value(sessionKey{}).(*Session); tied {
		return session
	}
	return v.session.Load()
}

// ServeHTTP answers the runtime.
func (v *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path := r.URL.Path
	switch {
	case path == nextPath:
		v.with(http.MethodGet, v.serveNext)(w, r)
	case path == initErrorPath:
		v.with(http.MethodPost, v.serveInitError)(w, r)
	case path == pingPath:
		if allowed(w, r, http.MethodGet) {
			_, _ = io.WriteString(w, "pong")
		}
	case strings.HasPrefix(path, invocationPath):
		v.serveAnswer(w, r, path[len(invocationPath):])
	default:
		http.NotFound(w, r)
	}
}

type sessionHandler func(http.ResponseWriter, *http.Request, *Session)

func (v *Server) with(method string, serve sessionHandler) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if !allowed(w, r, method) {
			return
		}
		session := v.sessionOf(r)
		if session == nil {
			v.refuse(w, errClosed)
			return
		}
		serve(w, r, session)
	}
}

func allowed(w http.ResponseWriter, r *http.Request, method string) bool {
	if r.Method == method {
		return true
	}
	w.Header().Set("Allow", method)
	w.WriteHeader(http.StatusMethodNotAllowed)
	return false
}

func (v *Server) serveNext(w http.ResponseWriter, r *http.Request, s *Session) {
	event, err := s.next(r.Context())
	if err != nil {
		v.refuse(w, err)
		return
	}
	v.writeEventHeaders(w.Header(), event)
	if _, err := w.Write(event.Payload); err != nil {
		s.undelivered(event)
	}
}

func (v *Server) writeEventHeaders(h http.Header, e *Event) {
	h["Content-Type"] = []string{"application/json"}
	h["Content-Length"] = []string{strconv.Itoa(len(e.Payload))}
	h["Lambda-Runtime-Aws-Request-Id"] = []string{e.RequestID}
	h["Lambda-Runtime-Deadline-Ms"] = []string{strconv.FormatInt(e.Deadline.UnixMilli(), 10)}
	h["Lambda-Runtime-Invoked-Function-Arn"] = []string{e.FunctionARN}
	if e.TraceID != "" || v.dialect == DockerLambda {
		h["Lambda-Runtime-Trace-Id"] = []string{e.TraceID}
	}
	setIfAny(h, "Lambda-Runtime-Client-Context", e.ClientContext)
	setIfAny(h, "Lambda-Runtime-Cognito-Identity", e.CognitoIdentity)
	setIfAny(h, "Lambda-Runtime-Aws-Tenant-Id", e.TenantID)
	if e.Tail {
		h["Docker-Lambda-Log-Type"] = []string{"Tail"}
	}
}

func setIfAny(h http.Header, name, value string) {
	if value != "" {
		h[name] = []string{value}
	}
}

// serveAnswer takes {id}/response and {id}/error.
func (v *Server) serveAnswer(w http.ResponseWriter, r *http.Request, rest string) {
	id, kind, _ := strings.Cut(rest, "/")
	switch kind {
	case "response":
		v.with(http.MethodPost, func(w http.ResponseWriter, r *http.Request, s *Session) {
			v.serveResponse(w, r, s, id)
		})(w, r)
	case "error":
		v.with(http.MethodPost, func(w http.ResponseWriter, r *http.Request, s *Session) {
			v.serveError(w, r, s, id)
		})(w, r)
	default:
		http.NotFound(w, r)
	}
}

func (v *Server) serveResponse(w http.ResponseWriter, r *http.Request, s *Session, id string) {
	event, err := s.beginAnswer(id, stateResponse)
	if err != nil {
		v.refuse(w, err)
		return
	}
	body, err := ReadBody(r, v.maxResponse)
	switch {
	case errors.Is(err, ErrTooLarge):
		s.endAnswer(event, Answer{Failed: true, TooLarge: true})
		refuseTooLarge(w, v.maxResponse)
	case err != nil:
		s.endAnswer(event, Answer{Failed: true, Truncated: true})
		writeError(w, http.StatusInternalServerError, "BodyReadError", err.Error())
	default:
		// The caller first; the runtime has time.
		s.endAnswer(event, Answer{
			Body:      body,
			LogResult: r.Header.Get("Docker-Lambda-Log-Result"),
		})
		accept(w)
	}
}

func (v *Server) serveError(w http.ResponseWriter, r *http.Request, s *Session, id string) {
	event, err := s.beginAnswer(id, stateError)
	if err != nil {
		v.refuse(w, err)
		return
	}
	v.takeError(w, r, func(a Answer) { s.endAnswer(event, a) })
}

func (v *Server) serveInitError(w http.ResponseWriter, r *http.Request, s *Session) {
	if err := s.enterInitError(); err != nil {
		v.refuse(w, err)
		return
	}
	v.takeError(w, r, s.failInit)
}

// takeError reads an error's body, settles what waits for it, and answers the
// runtime.
func (v *Server) takeError(w http.ResponseWriter, r *http.Request, settle func(Answer)) {
	body, err := ReadBody(r, v.maxResponse)
	answer := Answer{
		Failed:    true,
		Body:      body,
		ErrorType: r.Header.Get("Lambda-Runtime-Function-Error-Type"),
		LogResult: r.Header.Get("Docker-Lambda-Log-Result"),
	}
	switch {
	case errors.Is(err, ErrTooLarge):
		settle(Answer{Failed: true, TooLarge: true})
		refuseTooLarge(w, v.maxResponse)
	case err != nil:
		settle(Answer{Failed: true, Truncated: true})
		writeError(w, http.StatusInternalServerError, "BodyReadError", err.Error())
	case v.dialect == DockerLambda && !isErrorShape(body):
		answer.Body = []byte(`{"errorMessage":"InvalidErrorShape"}`)
		settle(answer)
		writeJSON(w, 299, []byte(`{"status":"InvalidErrorShape"}`+"\n"))
	default:
		settle(answer)
		accept(w)
	}
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
