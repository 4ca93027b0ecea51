package extension

import (
	"fmt"
	"strings"
	"testing"

	"imagemill/init/internal/wiretest"
)

// Each row is an error of the Extensions API: by its type, and how it comes
// about.
func TestErrors(t *testing.T) {
	const (
		missing      = "Extension.MissingExtensionIdentifier"
		invalid      = "Extension.InvalidExtensionIdentifier"
		unknown      = "Extension.UnknownExtensionIdentifier"
		state        = "Extension.InvalidExtensionState"
		eventType    = "Extension.InvalidEventType"
		format       = "InvalidRequestFormat"
		notAllowed   = " Error: State transition is not allowed"
		alreadyThere = "Extension with this name already registered"
	)
	call := func(method, path string, header ...string) func(*api) wiretest.Answer {
		return func(a *api) wiretest.Answer { return a.Call(method, path, "{}", header...) }
	}
	register := func(name, body string) func(*api) wiretest.Answer {
		return func(a *api) wiretest.Answer { return a.register(name, body) }
	}
	cases := []struct {
		name, errorType, message string
		step                     func(*api) wiretest.Answer
	}{
		{"no identifier, next", missing, "Missing Lambda-Extension-Identifier header", call("GET", nextPath)},
		{"no identifier, init error", missing, "Missing ", call("POST", initErrorPath, errorTypeHeader, "E")},
		{"no identifier, exit error", missing, "Missing ", call("POST", exitErrorPath, errorTypeHeader, "E")},
		{"no identifier, telemetry", missing, "Missing ", call("PUT", telemetryPath)},
		{"no identifier, logs", missing, "Missing ", call("PUT", logsPath)},
		{"identifier of no form", invalid, "Invalid Lambda-Extension-Identifier", call("GET", nextPath, idHeader, "x")},
		{"unknown identifier", unknown, "", call("GET", nextPath, idHeader, stranger)},
		{"unknown identifier, telemetry", unknown, "", call("PUT", telemetryPath, idHeader, stranger)},
		{"unknown identifier, logs", unknown, "", call("PUT", logsPath, idHeader, stranger)},
		{"no name", "Extension.InvalidExtensionName", "Empty extension name", call("POST", registerPath)},
		{"empty name", "Extension.InvalidExtensionName", "Empty extension name", register("", `{}`)},
		{"registration is closed", "Extension.RegistrationClosed", "Extension registration closed already", func(a *api) wiretest.Answer {
			await(a.t, a.registry.Ready(), "the end of the registration")
			return a.register("late", `{}`)
		}},
		{"name taken", state, alreadyThere, func(a *api) wiretest.Answer {
			a.must("one", "")
			return a.register("one", `{}`)
		}},
		{"next while it waits", state, "State transition from Ready to Ready failed for extension one." + notAllowed, func(a *api) wiretest.Answer {
			id := a.must("one", "")
			a.ask(id)
			return a.Call("GET", nextPath, "", idHeader, id)
		}},
		{"next after an error", state, "State transition from Failed to Ready failed for extension one." + notAllowed, func(a *api) wiretest.Answer {
			id := a.must("one", "")
			a.Call("POST", exitErrorPath, "{}", idHeader, id, errorTypeHeader, "E")
			return a.Call("GET", nextPath, "", idHeader, id)
		}},
		{"init error after next", state, "State transition from Ready to Failed failed for extension one." + notAllowed, func(a *api) wiretest.Answer {
			id := a.must("one", "")
			a.ask(id)
			return a.Call("POST", initErrorPath, "{}", idHeader, id, errorTypeHeader, "E")
		}},
		{"error twice", state, "State transition from Failed to Failed failed for extension one." + notAllowed, func(a *api) wiretest.Answer {
			id := a.must("one", "")
			a.Call("POST", initErrorPath, "{}", idHeader, id, errorTypeHeader, "E")
			return a.Call("POST", exitErrorPath, "{}", idHeader, id, errorTypeHeader, "E")
		}},
		{"init error without its type", "Extension.MissingHeader", "Lambda-Extension-Function-Error-Type not found", func(a *api) wiretest.Answer {
			return a.Call("POST", initErrorPath, "{}", idHeader, a.must("one", ""))
		}},
		{"exit error without its type", "Extension.MissingHeader", "Lambda-Extension-Function-Error-Type not found", func(a *api) wiretest.Answer {
			return a.Call("POST", exitErrorPath, "{}", idHeader, a.must("one", ""))
		}},
		{"one too many", "Extension.TooManyExtensions", "Extension limit (10) reached", func(a *api) wiretest.Answer {
			for n := range maxExtensions {
				a.must(fmt.Sprint("extension ", n), "")
			}
			return a.register("one too many", `{}`)
		}},
		{"unknown event", eventType, "START: ", register("one", `{"events":["INVOKE","START"]}`)},
		{"event in small letters", eventType, "invoke: ", register("one", `{"events":["invoke"]}`)},
		{"an internal one wants SHUTDOWN", eventType, "SHUTDOWN: ", register("one", `{"events":["INVOKE","SHUTDOWN"]}`)},
		{"body of no JSON", format, "invalid character", register("one", `{`+"x")},
		{"no body", format, "unexpected end", register("one", "")},
		{"events are no list", format, "json: ", register("one", `{"events":"INVOKE"}`)},
		{"body too large", format, "", register("one", `{"events":["`+strings.Repeat("x", maxBody)+`"]}`)},
		{"configuration keys", format, "configurationKeys are deprecated; use environment variables instead", register("one", `{"events":[],"configurationKeys":["a"]}`)},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			a := newAPI(t, nil)
			refusedWith(t, c.step(a), 403, c.errorType, c.message)
		})
	}
}

func TestPaths(t *testing.T) {
	t.Parallel()
	a := newAPI(t, nil)
	cases := []struct {
		name, method, path string
		status             int
		allow              string
	}{
		{"register", "GET", registerPath, 405, "POST"},
		{"next", "POST", nextPath, 405, "GET"},
		{"init error", "PUT", initErrorPath, 405, "POST"},
		{"exit error", "GET", exitErrorPath, 405, "POST"},
		{"telemetry", "POST", telemetryPath, 405, "PUT"},
		{"logs", "GET", logsPath, 405, "PUT"},
		{"unknown path", "POST", prefix + "other", 404, ""},
		{"the prefix alone", "GET", prefix, 404, ""},
		{"a path behind another", "GET", nextPath + "/x", 404, ""},
		{"another API", "GET", "/2018-06-01/ping", 418, ""},
		{"another version", "POST", "/2020-01-02/extension/register", 418, ""},
		{"behind telemetry", "PUT", telemetryPath + "/x", 418, ""},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			found := a.Call(c.method, c.path, "{}", nameHeader, "one", idHeader, stranger)
			if found.Code != c.status || found.Header.Get("Allow") != c.allow {
				t.Errorf("expected %d %q, found %d %q", c.status, c.allow, found.Code, found.Header.Get("Allow"))
			}
		})
	}
	if a.registry.Any() {
		t.Error("a refused call registered an extension")
	}
}

// A refused step leaves the extension where it was.
func TestRefusalChangesNothing(t *testing.T) {
	t.Parallel()
	a := newAPI(t, nil)
	id := a.must("one", `"INVOKE"`)
	a.Call("POST", initErrorPath, "{}", idHeader, id)
	a.register("one", `{"events":[]}`)
	answer := a.ask(id)
	a.Call("GET", nextPath, "", idHeader, id)
	a.Call("POST", initErrorPath, "{}", idHeader, id, errorTypeHeader, "E")
	if isDone(a.registry.Failed()) {
		t.Fatal("a refused error counts")
	}
	done := a.registry.Invoke(Invocation{RequestID: "r"})
	if done == nil {
		t.Fatal("the second registration took the place of the first")
	}
	if found := receive(t, answer); found.Code != 200 {
		t.Errorf("expected the event, found %d %s", found.Code, found.Body)
	}
}
