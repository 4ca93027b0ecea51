package invokeapi

import (
	"net/http/httptest"
	"strings"
	"testing"

	"imagemill/init/internal/engine"
)

// invoker answers every invocation with the same outcome.
type invoker struct {
	out engine.Outcome
	// repliedEarly: the caller had its answer before the invocation's end.
	repliedEarly bool
	recorder     *httptest.ResponseRecorder
	last         *engine.Invocation
}

func (i *invoker) Invoke(inv *engine.Invocation, early func(*engine.Outcome)) *engine.Outcome {
	i.last = inv
	early(&i.out)
	i.repliedEarly = i.recorder.Body.Len() > 0
	return &i.out
}

func (i *invoker) InvokeLater(inv *engine.Invocation) { i.last = inv }

const path = "/2015-03-31/functions/f/invocations"

func serve(i *invoker, dialect Dialect, method, path, body string, header ...string) *httptest.ResponseRecorder {
	i.recorder = httptest.NewRecorder()
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	for n := 0; n < len(header); n += 2 {
		r.Header.Set(header[n], header[n+1])
	}
	handler := &Handler{
		Dialect: dialect, Invoker: i, MaxRequest: 1000, Function: Function{Version: "1"},
		NewID: func() string { return "id" }, Debug: func(string, ...any) {},
	}
	handler.ServeHTTP(i.recorder, r)
	return i.recorder
}

func TestForm(t *testing.T) {
	body := []byte("body")
	cases := []struct {
		name           string
		out            engine.Outcome
		lambda         int
		emulator       int
		emulatorAnswer string
	}{
		{"success", engine.Outcome{Kind: engine.Success, Body: body}, 200, 200, "body"},
		{"function error", engine.Outcome{Kind: engine.FunctionError, Body: body}, 200, 200, "body"},
		{"timeout", engine.Outcome{Kind: engine.Timeout, Body: body, Message: "text"}, 200, 200, "text"},
		{"exit", engine.Outcome{Kind: engine.RuntimeExit, Body: body}, 200, 502, "body"},
		{"init error", engine.Outcome{Kind: engine.InitError, Body: body}, 200, 502, "body"},
		{"no runtime", engine.Outcome{Kind: engine.StartFailure, Body: body}, 200, 502, "body"},
		{"too large", engine.Outcome{Kind: engine.ResponseTooLarge, Body: body}, 200, 200, "body"},
		{"shutting down", engine.Outcome{Kind: engine.Unavailable, Body: body}, 503, 503, "body"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			lambda := serve(&invoker{out: c.out}, DockerLambda, "POST", path, "{}")
			if lambda.Code != c.lambda || lambda.Body.String() != "body" {
				t.Errorf("expected %d, found %d %q", c.lambda, lambda.Code, lambda.Body)
			}
			emulator := serve(&invoker{out: c.out}, Emulator, "POST", path, "{}")
			if emulator.Code != c.emulator || emulator.Body.String() != c.emulatorAnswer {
				t.Errorf("expected %d %q, found %d %q", c.emulator, c.emulatorAnswer, emulator.Code, emulator.Body)
			}
		})
	}
}

func TestSmallRepliesGoFirst(t *testing.T) {
	cases := []struct {
		name  string
		size  int
		early bool
	}{
		{"small", smallBody, true},
		// It may take the caller long to read: the environment is freed first.
		{"large", smallBody + 1, false},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			i := &invoker{out: engine.Outcome{Body: make([]byte, c.size)}}
			found := serve(i, DockerLambda, "POST", path, "{}")
			if i.repliedEarly != c.early || found.Body.Len() != c.size {
				t.Errorf("early %v, %d bytes", i.repliedEarly, found.Body.Len())
			}
		})
	}
}

func TestPaths(t *testing.T) {
	cases := []struct {
		path     string
		expected bool
	}{
		{path, true},
		{"/2015-03-31/functions/arn%3Aaws%3Alambda%3A1%3Afunction%3Af%2Fg/invocations", true},
		{"/2015-03-31/functions/arn:aws:lambda:1:function:f/invocations", true},
		{"/2015-03-31/functions//invocations", false},
		{"/2015-03-31/functions/invocations", false},
		{"/2015-03-31/functions/f/invocations/", false},
		{"/2015-03-31/functions/f", false},
		{"/", false},
	}
	for _, c := range cases {
		if found := isInvocationPath(c.path); found != c.expected {
			t.Errorf("%s: expected %v, found %v", c.path, c.expected, found)
		}
	}
}

func TestRequestTooLarge(t *testing.T) {
	i := &invoker{}
	found := serve(i, DockerLambda, "POST", path, strings.Repeat("x", 1001))
	if found.Code != 413 || i.last != nil {
		t.Errorf("expected 413 and no invocation, found %d", found.Code)
	}
}

func TestInvocationFromRequest(t *testing.T) {
	i := &invoker{}
	serve(i, Emulator, "POST", path, "x", "X-Amz-Log-Type", "Tail", "X-Amz-Tenant-Id", "t",
		"X-Amzn-Trace-Id", "trace", "X-Amz-Client-Context", "e30=")
	inv := *i.last
	if string(inv.Payload) != "x" || !inv.Tail || inv.TenantID != "t" || inv.TraceID != "trace" || inv.ClientContext != "{}" {
		t.Errorf("found %+v", inv)
	}
}
