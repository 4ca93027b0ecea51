package extension

import (
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"imagemill/init/internal/process"
)

// An extension that reports an error takes its environment down, the first
// one alone.
func TestFailures(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name, path string
		asked      bool // it has asked for an event before
		expected   Failure
	}{
		{"init error", initErrorPath, false, Failure{"Extension.InitError", "extension one reported Extension.Bad"}},
		{"exit error in the init", exitErrorPath, false, Failure{"Extension.ExitError", "extension one reported Extension.Bad"}},
		{"exit error", exitErrorPath, true, Failure{"Extension.ExitError", "extension one reported Extension.Bad"}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			a := newAPI(t, nil)
			id, other := a.must("one", `"INVOKE"`), a.must("other", "")
			if c.asked {
				a.ask(id)
				a.registry.Invoke(invocation)
			}
			found := a.Call("POST", c.path, "{}", idHeader, id, errorTypeHeader, "Extension.Bad")
			if found.Code != 202 || found.Body != `{"status":"OK"}`+"\n" {
				t.Errorf("expected 202, found %d %s", found.Code, found.Body)
			}
			await(t, a.registry.Failed(), "the failure")
			a.Call("POST", exitErrorPath, "{}", idHeader, other, errorTypeHeader, "Extension.Second")
			if found := a.registry.Failure(); found != c.expected {
				t.Errorf("expected %+v, found %+v", c.expected, found)
			}
		})
	}
}

func TestExternal(t *testing.T) {
	t.Parallel()
	a := newAPI(t, withChildren(t, stays))
	all := a.registry.Start([]string{"/opt/extensions/one", "/opt/extensions/two"})
	one := a.must("one", `"INVOKE","SHUTDOWN"`)
	if isDone(all) {
		t.Error("all have registered before the second has")
	}
	two := a.must("two", `"SHUTDOWN"`)
	await(t, all, "both registrations")
	inside := a.must("inside", `"INVOKE"`)
	answers := []string{}
	first, second, third := a.ask(one), a.ask(two), a.ask(inside)
	go a.registry.Shutdown("spindown", time.UnixMilli(time.Now().Add(50*time.Millisecond).UnixMilli()))
	answers = append(answers, receive(t, first).Body, receive(t, second).Body)
	for _, answer := range answers {
		if !strings.HasPrefix(answer, `{"eventType":"SHUTDOWN","shutdownReason":"spindown","deadlineMs":`) {
			t.Errorf("found %s", answer)
		}
	}
	// Internal ones end with the runtime, and are told nothing.
	if found := receive(t, third); found.Code != 500 {
		t.Errorf("expected 500, found %d %s", found.Code, found.Body)
	}
}

// Whatever an extension does, the environment ends by the deadline.
func TestShutdownEnds(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name string
		open func(*api)
		// wait: those that want to know get until the deadline.
		wait bool
	}{
		{"nobody", func(*api) {}, false},
		{"an internal one", func(a *api) { a.ask(a.must("inside", "")) }, false},
		{"one that has not registered", func(a *api) { a.registry.Start([]string{"/x/one"}) }, false},
		{"one that does not want to know", func(a *api) {
			a.registry.Start([]string{"/x/one"})
			a.must("one", `"INVOKE"`)
		}, false},
		{"one that is told and stays", func(a *api) {
			a.registry.Start([]string{"/x/one"})
			a.ask(a.must("one", `"SHUTDOWN"`))
		}, true},
		{"one that is busy and stays", func(a *api) {
			a.registry.Start([]string{"/x/one"})
			a.must("one", `"SHUTDOWN"`)
		}, true},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			a := newAPI(t, withChildren(t, stays))
			c.open(a)
			deadline := time.Now().Add(patience / 2)
			if c.wait {
				deadline = time.Now().Add(50 * time.Millisecond)
			}
			a.registry.Shutdown("timeout", deadline)
			if early := time.Now().Before(deadline); early == c.wait {
				t.Errorf("ended before its deadline: %v", early)
			}
			if found := a.register("late", `{}`); !strings.Contains(found.Body, "Extension.RegistrationClosed") {
				t.Errorf("found %d %s", found.Code, found.Body)
			}
			if isDone(a.registry.Failed()) {
				t.Errorf("to end is no failure: %+v", a.registry.Failure())
			}
		})
	}
}

func TestCrash(t *testing.T) {
	t.Parallel()
	launch := withChildren(t, "exit 3")
	var mu sync.Mutex
	var gone []string
	a := newAPI(t, func(s *Settings) {
		launch(s)
		s.Unsubscribed = func(name string) {
			mu.Lock()
			defer mu.Unlock()
			gone = append(gone, name)
		}
	})
	a.registry.Start([]string{"/opt/extensions/one"})
	await(t, a.registry.Failed(), "the failure")
	expected := Failure{"Extension.Crash", "extension one ended: exit status 3"}
	if found := a.registry.Failure(); found != expected {
		t.Errorf("expected %+v, found %+v", expected, found)
	}
	a.registry.Shutdown("failure", time.Now())
	mu.Lock()
	defer mu.Unlock()
	if !slices.Equal(gone, []string{"one"}) {
		t.Errorf("told of the end of %q", gone)
	}
}

func TestLaunchError(t *testing.T) {
	t.Parallel()
	a := newAPI(t, func(s *Settings) {
		s.Launch = func(string) (*process.Child, error) { return nil, errors.New("no such file") }
	})
	a.registry.Start([]string{"/opt/extensions/one"})
	await(t, a.registry.Failed(), "the failure")
	expected := Failure{"Extension.LaunchError", "extension one cannot be started: no such file"}
	if found := a.registry.Failure(); found != expected {
		t.Errorf("expected %+v, found %+v", expected, found)
	}
	// Nothing was started that could be waited for.
	a.registry.Shutdown("failure", time.Now().Add(patience/2))
}

// The eleventh is refused to external extensions, too, when they register.
func TestLimitCountsAll(t *testing.T) {
	t.Parallel()
	a := newAPI(t, withChildren(t, stays))
	a.registry.Start([]string{"/x/one"})
	for _, name := range strings.Fields("b c d e f g h i j") {
		a.must(name, "")
	}
	refusedWith(t, a.register("k", `{}`), 403, "Extension.TooManyExtensions", "")
	a.must("one", `"SHUTDOWN"`)
}
