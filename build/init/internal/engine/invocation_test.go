package engine

import (
	"errors"
	"testing"
	"time"

	"imagemill/init/internal/process"
	"imagemill/init/internal/runtimeapi"
)

func TestOutcome(t *testing.T) {
	cases := []struct {
		name    string
		out     *Outcome
		kind    Kind
		body    string
		fnError string
		asText  string
	}{
		{name: "response", out: answered("id", runtimeapi.Answer{Body: []byte("1")}, 0), body: "1"},
		{name: "error", out: answered("id", runtimeapi.Answer{Body: []byte("{}"), Failed: true}, 0), kind: FunctionError, body: "{}", fnError: "Unhandled"},
		{name: "error with a type", out: answered("id", runtimeapi.Answer{Failed: true, ErrorType: "My.Type"}, 0), kind: FunctionError, fnError: "My.Type"},
		{name: "response too large", out: answered("id", runtimeapi.Answer{Failed: true, TooLarge: true}, 100), kind: ResponseTooLarge, fnError: "Unhandled", body: `{"errorType":"Function.ResponseSizeTooLarge","errorMessage":"Response payload size exceeded maximum allowed payload size (100 bytes)."}`},
		{name: "response truncated", out: answered("id", runtimeapi.Answer{Failed: true, Truncated: true}, 0), kind: FunctionError, fnError: "Unhandled", body: `{"errorType":"Runtime.TruncatedResponse","errorMessage":"RequestId: id Error: the runtime's answer broke off"}`},
		{name: "init error", out: initFailed("id", runtimeapi.Answer{Body: []byte("{}"), Failed: true}, 0), kind: InitError, body: "{}", fnError: "Unhandled"},
		{name: "timeout", out: timedOut("id", 3*time.Second), kind: Timeout, fnError: "Unhandled", asText: "Task timed out after 3.00 seconds", body: `{"errorType":"Sandbox.Timedout","errorMessage":"RequestId: id Error: Task timed out after 3.00 seconds"}`},
		{name: "no runtime", out: notStarted("id", "exitError", errors.New("none")), kind: StartFailure, fnError: "Unhandled", body: `{"errorType":"exitError","errorMessage":"RequestId: id Error: none"}`},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			o := c.out
			if o.Kind != c.kind || string(o.Body) != c.body || o.FunctionError != c.fnError || o.Message != c.asText {
				t.Errorf("expected %+v, found %+v with body %s", c, o, o.Body)
			}
		})
	}
}

func TestInvokeAfterClose(t *testing.T) {
	launch := func(Launch) (*process.Child, error) { return nil, errors.New("not to be started") }
	e := New(Settings{Launch: launch}, &Place{API: runtimeapi.NewServer(runtimeapi.Settings{})})
	e.Close(0)
	if out := e.Invoke(&Invocation{RequestID: "id"}, nil); out.Kind != Unavailable {
		t.Errorf("expected Unavailable, found %+v", out)
	}
}
