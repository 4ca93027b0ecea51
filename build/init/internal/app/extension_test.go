package app

import (
	"strings"
	"syscall"
	"testing"
	"time"
)

func withExtension(t *testing.T, behaviour string, env ...string) *run {
	t.Helper()
	return begin(t, options{args: []string{"byevent"}, open: true, env: env, extensions: map[string]string{"ext": behaviour}})
}

func TestExtension(t *testing.T) {
	t.Parallel()
	r := withExtension(t, "both", "AWS_ACCOUNT_ID=123", "AWS_LAMBDA_FUNCTION_NAME=f")
	found := do(t, call{address: r.at.API, body: `"hello"`})
	equal(t, "body", found.body, `"hello"`)
	id := found.header.Get(requestIDHeader)
	r.stdout.wait(t, `REGISTERED ext 200 {"functionName":"f","functionVersion":"$LATEST","handler":"byevent","accountId":"123"}`, 1)
	r.stdout.wait(t, `"requestId":"`+id+`","invokedFunctionArn":"arn:aws:lambda:us-east-1:123:function:f","tracing":{"type":"X-Amzn-Trace-Id","value":""}}`, 1)
	r.stderr.wait(t, "EXTENSION\tName: ext\tState: Ready\tEvents: [INVOKE, SHUTDOWN]\n", 1)
	equal(t, "exit code", r.end(syscall.SIGTERM), 0)
	contains(t, "extension", r.stdout.String(), `{"eventType":"SHUTDOWN","shutdownReason":"spindown","deadlineMs":`)
}

func TestInternalExtension(t *testing.T) {
	t.Parallel()
	r := begin(t, options{args: []string{"internal-extension"}, open: true})
	equal(t, "body", do(t, call{address: r.at.API, body: `"hello"`}).body, `"hello"`)
	r.stdout.wait(t, `EXTENSION internal {"eventType":"INVOKE",`, 1)
	r.stderr.wait(t, "EXTENSION\tName: internal\tState: Ready\tEvents: [INVOKE]\n", 1)
}

// An invocation ends when the extensions are done with it, too; its caller
// does not wait for them.
func TestSlowExtension(t *testing.T) {
	t.Parallel()
	r := withExtension(t, "slow")
	do(t, call{address: r.at.API, body: `1`})
	began := time.Now()
	equal(t, "body", do(t, call{address: r.at.API, body: `2`}).body, `2`)
	if waited := time.Since(began); waited < 100*time.Millisecond {
		t.Errorf("the second invocation began %v after the first, while the extension was busy", waited)
	}
}

func TestExtensionFailures(t *testing.T) {
	t.Parallel()
	cases := []struct{ name, behaviour, body string }{
		{"ends in the init", "exit", `{"errorType":"Extension.Crash","errorMessage":"RequestId: ID Error: extension ext ended: exit status 3"}`},
		{"reports an error", "init-error", `{"errorType":"Extension.InitError","errorMessage":"RequestId: ID Error: extension ext reported Extension.MyInit"}`},
		{"crashes in an invocation", "crash", `{"errorType":"Extension.Crash","errorMessage":"RequestId: ID Error: extension ext ended: exit status 4"}`},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := withExtension(t, c.behaviour)
			for range 2 {
				found := do(t, call{address: r.at.API, body: `"sleep-500"`})
				expected := strings.ReplaceAll(c.body, "ID", found.header.Get(requestIDHeader))
				equal(t, "body", found.body, expected)
				equal(t, "error header", found.header.Get("X-Amz-Function-Error"), "Unhandled")
			}
		})
	}
}

// A hanging extension is ended with its environment, and the next invocation
// gets a new one.
func TestHangingExtension(t *testing.T) {
	t.Parallel()
	r := withExtension(t, "hang", "AWS_LAMBDA_FUNCTION_TIMEOUT=1")
	before := do(t, call{address: r.at.API, body: `"pid"`}).body
	after := do(t, call{address: r.at.API, body: `"pid"`}).body
	if before == after {
		t.Errorf("the runtime %s was not replaced", before)
	}
}

func TestStubbornExtension(t *testing.T) {
	t.Parallel()
	r := withExtension(t, "stubborn")
	do(t, call{address: r.at.API, body: `1`})
	began := time.Now()
	equal(t, "exit code", r.end(syscall.SIGTERM), 0)
	if took := time.Since(began); took < time.Second || took > 5*time.Second {
		t.Errorf("expected the extension to be given 2 s, it was given %v", took)
	}
}

func TestUnregisteredExtension(t *testing.T) {
	t.Parallel()
	r := begin(t, options{args: []string{"byevent"}, open: true, initTimeout: 300 * time.Millisecond,
		env: []string{"AWS_LAMBDA_FUNCTION_TIMEOUT=1"}, extensions: map[string]string{"ext": "silent"}})
	contains(t, "body", do(t, call{address: r.at.API, body: `1`}).body, "Task timed out after 1.00 seconds")
}

func TestTelemetry(t *testing.T) {
	t.Parallel()
	r := withExtension(t, "telemetry")
	found := do(t, call{address: r.at.API, body: `"log"`})
	id := found.header.Get(requestIDHeader)
	r.stdout.wait(t, "SUBSCRIBED 200 \"OK\"", 1)
	for _, expected := range []string{
		`TOLD platform.initStart {"initializationType":"on-demand","phase":"init"`,
		`TOLD platform.telemetrySubscription {"name":"ext","state":"Subscribed","types":["platform","function"]}`,
		`TOLD platform.extension {"events":["INVOKE","SHUTDOWN"],"name":"ext","state":"Ready"}`,
		`TOLD platform.initRuntimeDone {"initializationType":"on-demand","phase":"init","status":"success"}`,
		`TOLD platform.initReport {"initializationType":"on-demand","phase":"init","metrics":{"durationMs":`,
		`TOLD platform.start {"requestId":"` + id + `","version":"$LATEST"}`,
		`TOLD function "out two`,
		`TOLD function "err one`,
		`TOLD platform.runtimeDone {"requestId":"` + id + `","status":"success","metrics":{"durationMs":`,
		`TOLD platform.report {"requestId":"` + id + `","status":"success","metrics":{"billedDurationMs":`,
	} {
		r.stdout.wait(t, expected, 1)
	}
	r.stderr.wait(t, "TELEMETRY\tName: ext\tState: Subscribed\tTypes: [Platform, Function]\n", 1)
}
