package extension

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"imagemill/init/internal/process"
	"imagemill/init/internal/wire"
	"imagemill/init/internal/wiretest"
)

// patience is how long a test waits for what must come.
const patience = 10 * time.Second

const (
	idHeader        = "Lambda-Extension-Identifier"
	nameHeader      = "Lambda-Extension-Name"
	errorTypeHeader = "Lambda-Extension-Function-Error-Type"

	registerPath  = prefix + "register"
	nextPath      = prefix + "event/next"
	initErrorPath = prefix + "init/error"
	exitErrorPath = prefix + "exit/error"

	// stranger is an identifier that nobody has been given.
	stranger = "ffffffff-ffff-4fff-8fff-ffffffffffff"
)

// api is a registry behind a server.
type api struct {
	*wiretest.Server
	t        *testing.T
	registry *Registry
}

func newAPI(t *testing.T, change func(*Settings)) *api {
	t.Helper()
	var ids atomic.Int64
	settings := Settings{
		Function: Function{Name: "fn", Version: "$LATEST", Handler: "a.b", AccountID: "012345678912"},
		NewID:    func() string { return fmt.Sprintf("00000000-0000-4000-8000-%012d", ids.Add(1)) },
	}
	if change != nil {
		change(&settings)
	}
	a := &api{t: t, registry: New(settings)}
	a.Server = wiretest.Handle(t, func(x *wire.Exchange) {
		if !a.registry.Serve(x) {
			_ = x.Reply(418, nil, nil) // not of this API
		}
	})
	return a
}

// withChildren has external extensions be processes of a shell.
func withChildren(t *testing.T, script string) func(*Settings) {
	t.Helper()
	supervisor := process.NewSupervisor(false)
	t.Cleanup(supervisor.Close)
	return func(s *Settings) {
		s.Launch = func(string) (*process.Child, error) {
			out := process.NewSink(io.Discard, false, &process.Tail{}, process.Lines{})
			child, err := supervisor.Start(process.Spec{Path: "/bin/sh", Args: []string{"-c", script}, Stdout: out, Stderr: out})
			if err == nil {
				t.Cleanup(child.Kill)
			}
			return child, err
		}
	}
}

const stays = "exec sleep 60"

func (a *api) register(name, body string, header ...string) wiretest.Answer {
	a.t.Helper()
	return a.Call("POST", registerPath, body, append([]string{nameHeader, name}, header...)...)
}

// must registers an extension and returns its identifier.
func (a *api) must(name, events string) string {
	a.t.Helper()
	found := a.register(name, `{"events":[`+events+`]}`)
	if found.Code != 200 {
		a.t.Fatalf("%s was not registered: %d %s", name, found.Code, found.Body)
	}
	return found.Header.Get(idHeader)
}

// ask asks for the next event and returns when the registry has the request.
// The answer comes later.
func (a *api) ask(id string) <-chan wiretest.Answer {
	a.t.Helper()
	answer := make(chan wiretest.Answer, 1)
	req, err := http.NewRequest("GET", a.URL+nextPath, nil)
	if err != nil {
		a.t.Fatal(err)
	}
	req.Header.Set(idHeader, id)
	go func() {
		// Some are still waiting at the end of the test.
		res, err := a.Client.Do(req)
		if err != nil {
			return
		}
		defer func() { _ = res.Body.Close() }()
		if body, err := io.ReadAll(res.Body); err == nil {
			answer <- wiretest.Answer{Code: res.StatusCode, Header: res.Header, Body: string(body)}
		}
	}()
	asked := a.registry.until(func() bool {
		for _, agent := range a.registry.agents {
			if agent.id == id && agent.poll != nil {
				return true
			}
		}
		return false
	})
	await(a.t, asked, "the request for an event")
	return answer
}

func await(t *testing.T, done <-chan struct{}, what string) {
	t.Helper()
	select {
	case <-done:
	case <-time.After(patience):
		t.Fatalf("still waiting for %s", what)
	}
}

func isDone(done <-chan struct{}) bool {
	select {
	case <-done:
		return true
	default:
		return false
	}
}

func receive(t *testing.T, answers <-chan wiretest.Answer) wiretest.Answer {
	t.Helper()
	select {
	case answer := <-answers:
		return answer
	case <-time.After(patience):
		t.Fatal("no answer")
		return wiretest.Answer{}
	}
}

// refusedWith checks an error's status, type and message.
func refusedWith(t *testing.T, found wiretest.Answer, status int, errorType, message string) {
	t.Helper()
	expected := `{"errorType":"` + errorType + `","errorMessage":"` + message
	if found.Code != status || !strings.HasPrefix(found.Body, expected) {
		t.Errorf("expected %d %s, found %d %s", status, expected, found.Code, found.Body)
	}
	if kind := found.Header.Get("Content-Type"); kind != "application/json" {
		t.Errorf("Content-Type: %q", kind)
	}
}
