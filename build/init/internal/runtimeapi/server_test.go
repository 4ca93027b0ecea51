package runtimeapi

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"imagemill/init/internal/wire"
	"imagemill/init/internal/wiretest"
)

// api is a server with one session, and an event that may be delivered.
type api struct {
	*wiretest.Server
	t       *testing.T
	server  *Server
	session *Session
	event   *Event
}

func newAPI(t *testing.T, settings Settings) *api {
	a := &api{t: t, server: NewServer(settings)}
	a.session = a.server.Open()
	a.event = newEvent("id-1")
	a.Server = wiretest.Start(t, &wire.Server{
		Handler: func(x *wire.Exchange) {
			if !a.server.Serve(x) {
				NotFound(x)
			}
		},
		Accepted: func() any { return a.server.Session() },
	})
	return a
}

func newEvent(id string) *Event {
	return NewEvent(Event{RequestID: id, FunctionARN: "arn", Payload: []byte(`{"a":1}`), Deadline: time.UnixMilli(1234)})
}

func (a *api) call(method, path, body string, header ...string) wiretest.Answer {
	a.t.Helper()
	return a.Call(method, "/2018-06-01/"+path, body, header...)
}

// step calls "METHOD path".
func (a *api) step(step, body string) wiretest.Answer {
	a.t.Helper()
	method, path, _ := strings.Cut(step, " ")
	return a.call(method, path, body)
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
		{"next after next, emulator", Emulator, []string{next}, next, "", 403, `{"errorType":"InvalidStateTransition","errorMessage":"State transition from Running to Ready failed for runtime. Error: State transition is not allowed"}` + "\n"},
		{"restore next", Emulator, nil, "GET runtime/restore/next", "", 200, ""},
		{"restore error", Emulator, nil, "POST runtime/restore/error", "{}", 202, ok},
		{"restore error after next", Emulator, []string{next}, "POST runtime/restore/error", "{}", 403, `{"errorType":"InvalidStateTransition","errorMessage":"State transition from Running to InitError failed for runtime. Error: State transition is not allowed"}` + "\n"},
		{"response beyond the limit", Emulator, []string{next}, response, strings.Repeat("x", 101), 413, `{"errorType":"RequestEntityTooLarge","errorMessage":"Exceeded maximum allowed payload size (100 bytes)."}` + "\n"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			a := newAPI(t, Settings{Dialect: c.dialect, MaxResponse: 100})
			a.session.Deliver(a.event)
			for _, step := range c.before {
				a.step(step, `{}`)
			}
			found := a.step(c.step, c.body)
			if found.Code != c.status || found.Body != c.answer {
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
			a := newAPI(t, Settings{MaxResponse: 100})
			a.session.Deliver(a.event)
			a.step(next, "")
			a.step(c.step, c.body)
			found := <-a.event.Answered()
			if string(found.Body) != string(c.expected.Body) || found.Failed != c.expected.Failed || found.TooLarge != c.expected.TooLarge {
				t.Errorf("expected %+v, found %+v", c.expected, found)
			}
		})
	}
}

func TestMockHeaders(t *testing.T) {
	a := newAPI(t, Settings{})
	a.session.Deliver(a.event)
	a.step(next, "")
	a.call("POST", "runtime/invocation/id-1/response", "1", "Docker-Lambda-Log-Result", "bG9n",
		"Docker-Lambda-Invoke-Wait", "1500000000123", "Docker-Lambda-Init-End", "no number", "Content-Type", "text/x")
	found := <-a.event.Answered()
	if found.LogResult != "bG9n" || found.Began.UnixMilli() != 1500000000123 || !found.InitEnded.IsZero() || found.ContentType != "text/x" {
		t.Errorf("found %+v", found)
	}
}

func TestNextHeaders(t *testing.T) {
	a := newAPI(t, Settings{})
	a.session.Deliver(a.event)
	h := a.step(next, "").Header
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

// ask sends a request for the next event and returns once the session has it.
func (a *api) ask() (net.Conn, *bufio.Reader) {
	a.t.Helper()
	before := a.polls()
	conn, err := net.Dial("tcp", strings.TrimPrefix(a.URL, "http://"))
	if err != nil {
		a.t.Fatal(err)
	}
	a.t.Cleanup(func() { _ = conn.Close() })
	if _, err := fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: x\r\n\r\n", nextPath); err != nil {
		a.t.Fatal(err)
	}
	a.await(before + 1)
	return conn, bufio.NewReader(conn)
}

func (a *api) polls() int {
	a.session.mu.Lock()
	defer a.session.mu.Unlock()
	return len(a.session.pollers)
}

func (a *api) await(polls int) {
	a.t.Helper()
	for deadline := time.Now().Add(10 * time.Second); a.polls() != polls; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			a.t.Fatalf("expected %d to wait, found %d", polls, a.polls())
		}
	}
}

func TestNextWaits(t *testing.T) {
	a := newAPI(t, Settings{})
	_, r := a.ask()
	a.session.Deliver(a.event)
	res, err := http.ReadResponse(r, nil)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(res.Body)
	if err != nil || string(body) != `{"a":1}` {
		t.Errorf("found %q, %v", body, err)
	}
}

func TestNextEndsWithTheSession(t *testing.T) {
	a := newAPI(t, Settings{})
	_, r := a.ask()
	a.session.Close()
	res, err := http.ReadResponse(r, nil)
	if err != nil || res.StatusCode != 500 {
		t.Errorf("expected 500, found %+v, %v", res, err)
	}
	if found := a.step(next, ""); found.Code != 500 {
		t.Errorf("expected 500, found %d", found.Code)
	}
}

// An event is not given to a runtime that has hung up.
func TestNextHungUp(t *testing.T) {
	a := newAPI(t, Settings{})
	conn, _ := a.ask()
	if err := conn.Close(); err != nil {
		t.Fatal(err)
	}
	a.await(0)
	a.session.Deliver(a.event)
	if found := a.step(next, ""); found.Code != 200 {
		t.Errorf("expected 200, found %d", found.Code)
	}
}

func TestWithdraw(t *testing.T) {
	a := newAPI(t, Settings{})
	a.session.Deliver(a.event)
	if !a.session.Withdraw(a.event) || a.session.Withdraw(a.event) {
		t.Error("expected to withdraw it once")
	}
	other := newEvent("id-2")
	a.session.Deliver(other)
	if found := a.step(next, ""); found.Header.Get("Lambda-Runtime-Aws-Request-Id") != "id-2" {
		t.Errorf("found %+v", found)
	}
	if a.session.Withdraw(other) {
		t.Error("withdrew an event that the runtime has")
	}
}

// On managed instances a runtime has several events at a time.
func TestSeveral(t *testing.T) {
	a := newAPI(t, Settings{Several: true})
	events := []*Event{a.event, newEvent("id-2"), newEvent("id-3")}
	for _, e := range events {
		a.session.Deliver(e)
		if found := a.step(next, "").Header.Get("Lambda-Runtime-Aws-Request-Id"); found != e.RequestID {
			t.Fatalf("expected %s, found %s", e.RequestID, found)
		}
	}
	a.session.Forget(events[1])
	for _, c := range []struct {
		step   string
		status int
	}{
		{"POST runtime/invocation/id-3/response", 202},
		{"POST runtime/invocation/id-2/response", 400},
		{"POST runtime/invocation/id-1/error", 202},
		{"POST runtime/invocation/id-1/error", 400},
	} {
		if found := a.step(c.step, "{}"); found.Code != c.status {
			t.Errorf("%s: expected %d, found %d", c.step, c.status, found.Code)
		}
	}
	if answer := <-events[0].Answered(); !answer.Failed {
		t.Errorf("expected an error, found %+v", answer)
	}
	if answer := <-events[2].Answered(); answer.Failed {
		t.Errorf("expected a response, found %+v", answer)
	}
}

func TestOldConnection(t *testing.T) {
	a := newAPI(t, Settings{})
	a.step("GET ping", "")
	a.session.Close()
	fresh := a.server.Open()
	if found := a.step(next, ""); found.Code != 500 {
		t.Errorf("expected 500, found %d", found.Code)
	}
	select {
	case <-fresh.Ready():
		t.Error("an old connection reached the new session")
	default:
	}
}

func TestBrokenBody(t *testing.T) {
	for _, c := range []struct {
		name    string
		dialect Dialect
		status  int
	}{{"docker-lambda", DockerLambda, 500}, {"emulator", Emulator, 400}} {
		t.Run(c.name, func(t *testing.T) {
			a := newAPI(t, Settings{Dialect: c.dialect})
			a.session.Deliver(a.event)
			a.step(next, "")
			conn, err := net.Dial("tcp", strings.TrimPrefix(a.URL, "http://"))
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = conn.Close() }()
			_, err = fmt.Fprintf(conn, "POST %sid-1/response HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n12345", invocationPath)
			if err != nil {
				t.Fatal(err)
			}
			if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
				t.Fatal(err)
			}
			res, err := http.ReadResponse(bufio.NewReader(conn), nil)
			if err != nil {
				t.Fatal(err)
			}
			if found := <-a.event.Answered(); res.StatusCode != c.status || !found.Truncated {
				t.Errorf("expected %d and a truncated answer, found %d, %+v", c.status, res.StatusCode, found)
			}
		})
	}
}
