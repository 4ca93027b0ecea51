package invokeapi

import (
	"strings"
	"testing"
	"time"

	"imagemill/init/internal/engine"
	"imagemill/init/internal/wiretest"
)

// invoker answers every invocation with the same outcome.
type invoker struct {
	out engine.Outcome
	// stream is what the invocation's taker gets first.
	stream []string
	// ended is closed when the invocation ends; repliedEarly: the caller had
	// its answer before that.
	ended chan struct{}
	last  *engine.Invocation
	// later gets those that nobody waits for.
	later chan *engine.Invocation
}

func (i *invoker) Invoke(inv *engine.Invocation, early func(*engine.Outcome)) *engine.Outcome {
	i.last = inv
	if i.out.Streamed {
		inv.Taker.Begin("")
	}
	for _, piece := range i.stream {
		inv.Taker.Write([]byte(piece))
	}
	early(&i.out)
	if i.ended != nil {
		<-i.ended
	}
	return &i.out
}

func (i *invoker) InvokeLater(inv *engine.Invocation) { i.later <- inv }

const path = "/2015-03-31/functions/f/invocations"

func serve(t *testing.T, i *invoker, dialect Dialect, method, path, body string, header ...string) wiretest.Answer {
	t.Helper()
	handler := &Handler{
		Dialect: dialect, Invoker: i, MaxRequest: 1000, MaxEvent: 500, Function: Function{Version: "1"},
		NewID: func() string { return "id" }, Debug: t.Logf,
	}
	return wiretest.Handle(t, handler.Serve).Call(method, path, body, header...)
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
			lambda := serve(t, &invoker{out: c.out}, DockerLambda, "POST", path, "{}")
			if lambda.Code != c.lambda || lambda.Body != "body" {
				t.Errorf("expected %d, found %d %q", c.lambda, lambda.Code, lambda.Body)
			}
			emulator := serve(t, &invoker{out: c.out}, Emulator, "POST", path, "{}")
			if emulator.Code != c.emulator || emulator.Body != c.emulatorAnswer {
				t.Errorf("expected %d %q, found %d %q", c.emulator, c.emulatorAnswer, emulator.Code, emulator.Body)
			}
		})
	}
}

func TestSmallRepliesGoFirst(t *testing.T) {
	ended := make(chan struct{})
	i := &invoker{out: engine.Outcome{Body: make([]byte, smallBody)}, ended: ended}
	// The invocation has not ended yet.
	if found := serve(t, i, DockerLambda, "POST", path, "{}"); len(found.Body) != smallBody {
		t.Errorf("expected %d bytes, found %d", smallBody, len(found.Body))
	}
	close(ended)
}

func TestLargeRepliesFreeTheEnvironment(t *testing.T) {
	ended := make(chan struct{})
	i := &invoker{out: engine.Outcome{Body: make([]byte, smallBody+1)}, ended: ended}
	time.AfterFunc(time.Millisecond, func() { close(ended) })
	found := serve(t, i, DockerLambda, "POST", path, "{}")
	select {
	case <-ended:
	default:
		t.Error("the caller, who may be long to read, was answered before the environment was free")
	}
	if len(found.Body) != smallBody+1 {
		t.Errorf("found %d bytes", len(found.Body))
	}
}

func TestPaths(t *testing.T) {
	cases := []struct {
		path     string
		expected operation
	}{
		{path, invoke},
		{"/2015-03-31/functions/arn%3Aaws%3Alambda%3A1%3Afunction%3Af%2Fg/invocations", invoke},
		{"/2015-03-31/functions/arn:aws:lambda:1:function:f/invocations", invoke},
		{"/2021-11-15/functions/f/response-streaming-invocations", invokeStreaming},
		{"/2014-11-13/functions/f/invoke-async", invokeAsync},
		{"/2014-11-13/functions/f/invoke-async/", invokeAsync},
		{"/2015-03-31/functions//invocations", unknown},
		{"/2015-03-31/functions/invocations", unknown},
		{"/2015-03-31/functions/f/invocations/", unknown},
		{"/2015-03-31/functions/f/response-streaming-invocations", unknown},
		{"/2015-03-31/functions/f", unknown},
		{"/", unknown},
	}
	for _, c := range cases {
		if found := operationOf(c.path); found != c.expected {
			t.Errorf("%s: expected %v, found %v", c.path, c.expected, found)
		}
	}
}

func TestRequestTooLarge(t *testing.T) {
	i := &invoker{}
	found := serve(t, i, DockerLambda, "POST", path, strings.Repeat("x", 1001))
	if found.Code != 413 || i.last != nil {
		t.Errorf("expected 413 and no invocation, found %d", found.Code)
	}
}

func TestEventTooLarge(t *testing.T) {
	i := &invoker{}
	found := serve(t, i, DockerLambda, "POST", path, strings.Repeat("x", 501), "X-Amz-Invocation-Type", "Event")
	if found.Code != 413 || i.last != nil {
		t.Errorf("expected 413 and no invocation, found %d", found.Code)
	}
}

func TestThrottled(t *testing.T) {
	for _, dialect := range []Dialect{DockerLambda, Emulator} {
		found := serve(t, &invoker{out: engine.Outcome{Kind: engine.Throttled, Body: []byte("{}")}}, dialect, "POST", path, "")
		if found.Code != 429 || found.Header.Get("Retry-After") == "" || found.Header.Get("X-Amzn-Errortype") != "TooManyRequestsException" {
			t.Errorf("found %+v", found)
		}
	}
}

func TestInvokeAsync(t *testing.T) {
	i := &invoker{later: make(chan *engine.Invocation, 1)}
	found := serve(t, i, DockerLambda, "POST", "/2014-11-13/functions/f/invoke-async/", "{}")
	if inv := <-i.later; found.Code != 202 || found.Body != `{"Status":202}` || string(inv.Payload) != "{}" {
		t.Errorf("found %+v, later %+v", found, inv)
	}
}

func TestInvocationFromRequest(t *testing.T) {
	i := &invoker{}
	serve(t, i, Emulator, "POST", path, "x", "X-Amz-Log-Type", "Tail", "X-Amz-Tenant-Id", "t",
		"X-Amzn-Trace-Id", "trace", "X-Amz-Client-Context", "e30=")
	inv := *i.last
	if string(inv.Payload) != "x" || !inv.Tail || inv.TenantID != "t" || inv.TraceID != "trace" || inv.ClientContext != "{}" {
		t.Errorf("found %+v", inv)
	}
}
