package runtimeapi

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// api is a server with one session, and an event that may be delivered.
type api struct {
	t       *testing.T
	server  *Server
	session *Session
	event   *Event
}

func newAPI(t *testing.T, dialect Dialect, maxResponse int64) *api {
	a := &api{t: t, server: NewServer(dialect, maxResponse), session: NewSession()}
	a.server.Attach(a.session)
	a.event = NewEvent(Event{RequestID: "id-1", FunctionARN: "arn", Payload: []byte(`{"a":1}`), Deadline: time.UnixMilli(1234)})
	return a
}

func (a *api) call(method, path, body string) *httptest.ResponseRecorder {
	a.t.Helper()
	w := httptest.NewRecorder()
	r := httptest.NewRequest(method, "/2018-06-01/"+path, strings.NewReader(body))
	a.server.ServeHTTP(w, r)
	return w
}

const (
	next      = "GET runtime/invocation/next"
	response  = "POST runtime/invocation/id-1/response"
	errorPath = "POST runtime/invocation/id-1/error"
	initError = "POST runtime/init/error"
)

func TestStates(t *testing.T) {
	const ok = `{"status":"OK"}` + "\n"
	cases := []struct {
		name    string
		dialect Dialect
		before  []string
		step    string
		body    string
		status  int
		answer  string
	}{
		{"ping", DockerLambda, nil, "GET ping", "", 200, "pong"},
		{"unknown path", DockerLambda, nil, "GET other", "", 404, "404 page not found\n"},
		{"unknown kind of answer", DockerLambda, nil, "POST runtime/invocation/id-1/x", "", 404, "404 page not found\n"},
		{"wrong method", DockerLambda, nil, "POST runtime/invocation/next", "", 405, ""},
		{"next", DockerLambda, nil, next, "", 200, `{"a":1}`},
		{"response", DockerLambda, []string{next}, response, "1", 202, ok},
		{"error", DockerLambda, []string{next}, errorPath, `{"errorMessage":"m"}`, 202, ok},
		{"error of no shape", DockerLambda, []string{next}, errorPath, `no`, 299, `{"status":"InvalidErrorShape"}` + "\n"},
		{"error of no shape, emulator", Emulator, []string{next}, errorPath, `no`, 202, ok},
		{"init error", DockerLambda, nil, initError, `{"errorMessage":"m"}`, 202, ok},
		{"unknown request id", DockerLambda, []string{next}, "POST runtime/invocation/other/response", "1", 400, `{"errorType":"InvalidRequestID","errorMessage":"Invalid request ID"}` + "\n"},
		{"response before next", DockerLambda, nil, response, "1", 400, `{"errorType":"InvalidRequestID","errorMessage":"Invalid request ID"}` + "\n"},
		{"response after response", DockerLambda, []string{next, response}, response, "1", 403, `{"errorType":"InvalidStateTransition","errorMessage":"Transition from STATE_INVOKE_RESPONSE to STATE_INVOKE_RESPONSE is not allowed."}` + "\n"},
		{"response after error", DockerLambda, []string{next, errorPath}, response, "1", 403, `{"errorType":"InvalidStateTransition","errorMessage":"Transition from STATE_INVOKE_ERROR to STATE_INVOKE_RESPONSE is not allowed."}` + "\n"},
		{"init error after next", DockerLambda, []string{next}, initError, "{}", 403, `{"errorType":"InvalidStateTransition","errorMessage":"Transition from STATE_INVOKE_NEXT to STATE_INIT_ERROR is not allowed."}` + "\n"},
		{"next after init error", DockerLambda, []string{initError}, next, "", 403, `{"errorType":"InvalidStateTransition","errorMessage":"Transition from STATE_INIT_ERROR to STATE_INVOKE_NEXT is not allowed."}` + "\n"},
		{"init error twice", DockerLambda, []string{initError}, initError, "{}", 403, `{"errorType":"InvalidStateTransition","errorMessage":"Transition from STATE_INIT_ERROR to STATE_INIT_ERROR is not allowed."}` + "\n"},
		{"response after response, emulator", Emulator, []string{next, response}, response, "1", 403, `{"errorType":"InvalidStateTransition","errorMessage":"State transition from RuntimeResponseSentState to InvocationResponse failed for runtime. Error: State transition is not allowed"}` + "\n"},
		{"init error after next, emulator", Emulator, []string{next}, initError, "{}", 403, `{"errorType":"InvalidStateTransition","errorMessage":"State transition from Running to InitError failed for runtime. Error: State transition is not allowed"}` + "\n"},
		{"response beyond the limit", Emulator, []string{next}, response, strings.Repeat("x", 101), 413, `{"errorType":"RequestEntityTooLarge","errorMessage":"Exceeded maximum allowed payload size (100 bytes)."}` + "\n"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			a := newAPI(t, c.dialect, 100)
			a.session.Deliver(a.event)
			for _, step := range c.before {
				method, path, _ := strings.Cut(step, " ")
				a.call(method, path, `{}`)
			}
			method, path, _ := strings.Cut(c.step, " ")
			found := a.call(method, path, c.body)
			if found.Code != c.status || found.Body.String() != c.answer {
				t.Errorf("expected %d %q, found %d %q", c.status, c.answer, found.Code, found.Body)
			}
		})
	}
}

func TestAnswer(t *testing.T) {
	cases := []struct {
		name, step, body string
		expected         Answer
	}{
		{"response", response, "1", Answer{Body: []byte("1")}},
		{"error", errorPath, `{"errorMessage":"m"}`, Answer{Body: []byte(`{"errorMessage":"m"}`), Failed: true}},
		{"error of no shape", errorPath, "x", Answer{Body: []byte(`{"errorMessage":"InvalidErrorShape"}`), Failed: true}},
		{"too large", response, strings.Repeat("x", 101), Answer{Failed: true, TooLarge: true}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			a := newAPI(t, DockerLambda, 100)
			a.session.Deliver(a.event)
			a.call("GET", "runtime/invocation/next", "")
			method, path, _ := strings.Cut(c.step, " ")
			a.call(method, path, c.body)
			found := <-a.event.Answered()
			if string(found.Body) != string(c.expected.Body) || found.Failed != c.expected.Failed || found.TooLarge != c.expected.TooLarge {
				t.Errorf("expected %+v, found %+v", c.expected, found)
			}
		})
	}
}

func TestNextHeaders(t *testing.T) {
	a := newAPI(t, DockerLambda, 0)
	a.session.Deliver(a.event)
	h := a.call("GET", "runtime/invocation/next", "").Header()
	for name, value := range map[string]string{
		"Lambda-Runtime-Aws-Request-Id": "id-1", "Lambda-Runtime-Deadline-Ms": "1234",
		"Lambda-Runtime-Invoked-Function-Arn": "arn", "Content-Type": "application/json",
	} {
		if h.Get(name) != value {
			t.Errorf("%s: expected %q, found %q", name, value, h.Get(name))
		}
	}
	if _, given := h["Lambda-Runtime-Trace-Id"]; !given {
		t.Error("docker-lambda always gives a trace id")
	}
}

func TestNextEnds(t *testing.T) {
	cases := []struct {
		name string
		end  func(s *Session, cancel func())
	}{
		{"when the runtime hangs up", func(_ *Session, cancel func()) { cancel() }},
		{"when the session is over", func(s *Session, _ func()) { s.Close() }},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			s := NewSession()
			ctx, cancel := context.WithCancel(t.Context())
			ended := make(chan error)
			go func() {
				_, err := s.next(ctx)
				ended <- err
			}()
			<-s.Ready()
			c.end(s, cancel)
			if err := <-ended; err == nil {
				t.Error("expected an error")
			}
		})
	}
}

func TestNextTwice(t *testing.T) {
	a := newAPI(t, DockerLambda, 0)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := a.session.next(ctx); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	a.session.Deliver(a.event)
	if found := a.call("GET", "runtime/invocation/next", ""); found.Code != http.StatusOK {
		t.Errorf("expected 200, found %d", found.Code)
	}
}

func TestOldConnection(t *testing.T) {
	server := NewServer(DockerLambda, 0)
	old, fresh := NewSession(), NewSession()
	server.Attach(old)
	ctx := server.ConnContext(t.Context(), nil)
	old.Close()
	server.Attach(fresh)
	w := httptest.NewRecorder()
	server.ServeHTTP(w, httptest.NewRequest("GET", nextPath, nil).WithContext(ctx))
	if w.Code != http.StatusInternalServerError {
		t.Errorf("expected 500, found %d", w.Code)
	}
	select {
	case <-fresh.Ready():
		t.Error("an old connection reached the new session")
	default:
	}
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

func TestBrokenBody(t *testing.T) {
	a := newAPI(t, DockerLambda, 0)
	a.session.Deliver(a.event)
	a.call("GET", "runtime/invocation/next", "")
	w := httptest.NewRecorder()
	a.server.ServeHTTP(w, httptest.NewRequest("POST", invocationPath+"id-1/response", broken{}))
	if found := <-a.event.Answered(); w.Code != 500 || !found.Truncated {
		t.Errorf("expected 500 and a truncated answer, found %d, %+v", w.Code, found)
	}
}

func TestReadBody(t *testing.T) {
	cases := []struct {
		name   string
		body   string
		length int64 // -1: chunked
		limit  int64
		err    error
	}{
		{"empty", "", 0, 0, nil},
		{"exact", "12345", 5, 5, nil},
		{"over", "123456", 6, 5, ErrTooLarge},
		{"chunked", "12345", -1, 0, nil},
		{"chunked exact", "12345", -1, 5, nil},
		{"chunked over", "123456", -1, 5, ErrTooLarge},
		{"short", "123", 5, 0, io.ErrUnexpectedEOF},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			r := httptest.NewRequest("POST", "/", strings.NewReader(c.body))
			r.ContentLength = c.length
			body, err := ReadBody(r, c.limit)
			if !errors.Is(err, c.err) {
				t.Fatalf("expected %v, found %v", c.err, err)
			}
			if err == nil && string(body) != c.body {
				t.Errorf("expected %q, found %q", c.body, body)
			}
		})
	}
}
