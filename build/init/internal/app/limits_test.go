package app

import (
	"strings"
	"syscall"
	"testing"
	"time"
)

// An init that takes longer than the init phase is begun again as part of the
// first invocation, with the function's timeout.
func TestSlowInit(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name, handler, body, log string
	}{
		{"goes well the second time", "init-sleep-500", `{}`, "INIT_REPORT Init Duration: "},
		{"never ends", "init-hang", "Task timed out after 1.00 seconds", "\tPhase: invoke\tStatus: timeout"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := begin(t, options{args: []string{c.handler}, initTimeout: 250 * time.Millisecond,
				env: []string{"AWS_LAMBDA_FUNCTION_TIMEOUT=1"}})
			r.wait()
			contains(t, "result", r.stdout.String(), c.body)
			contains(t, "log", r.stderr.String(), "\tPhase: init\tStatus: timeout")
			contains(t, "log", r.stderr.String(), c.log)
			equal(t, "REPORT of the init", strings.Contains(r.stderr.String(), "REPORT RequestId: ") &&
				strings.Contains(r.stderr.String(), "\tInit Duration: "), false)
		})
	}
}

func TestSuspendedTimeouts(t *testing.T) {
	t.Parallel()
	r := begin(t, options{args: []string{"init-sleep-300"}, open: true, initTimeout: 100 * time.Millisecond,
		env: []string{"DOCKER_LAMBDA_NO_TIMEOUT=1", "AWS_LAMBDA_FUNCTION_TIMEOUT=1"}})
	equal(t, "body", do(t, call{address: r.at.API, body: `1`}).body, `1`)
	r = openByEvent(t, "DOCKER_LAMBDA_NO_TIMEOUT=1", "AWS_LAMBDA_FUNCTION_TIMEOUT=1")
	equal(t, "body", do(t, call{address: r.at.API, body: `"sleep-1300"`}).body, `"sleep-1300"`)
}

func TestMemoryLimit(t *testing.T) {
	t.Parallel()
	r := openByEvent(t, "DOCKER_LAMBDA_ENFORCE_MEMORY=1", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE=128")
	contains(t, "body", do(t, call{address: r.at.API, body: `"big-memory"`}).body, "Runtime exited with error: signal: killed")
	equal(t, "next", do(t, call{address: r.at.API, body: `1`}).body, `1`)
}

func TestEventPayload(t *testing.T) {
	t.Parallel()
	r := openByEvent(t, "DOCKER_LAMBDA_ENFORCE_PAYLOAD=1")
	event := map[string]string{"X-Amz-Invocation-Type": "Event"}
	large := `"` + strings.Repeat("x", 1<<20) + `"`
	equal(t, "event", do(t, call{address: r.at.API, body: large, header: event}).status, 413)
	equal(t, "others", do(t, call{address: r.at.API, body: large}).status, 200)
}

func TestEventRetries(t *testing.T) {
	t.Parallel()
	event := map[string]string{"X-Amz-Invocation-Type": "Event"}
	cases := []struct {
		name, delays, event, log string
		attempts                 int
	}{
		{"succeeds at the third try", "0.01,0.01", `"fail-twice"`, "\tAttempts: 3\tStatus: success\tResult: \"at last\"", 3},
		{"never succeeds", "0.01,0.02", `"fail"`, "\tAttempts: 3\tStatus: failed\tResult: {\"errorType\":\"MyError\"", 3},
		{"succeeds at once", "", `"ok"`, "\tAttempts: 1\tStatus: success\tResult: \"ok\"", 1},
		{"is not tried again", "none", `"fail"`, "\tAttempts: 1\tStatus: failed\tResult: {", 1},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := openByEvent(t, "DOCKER_LAMBDA_RETRY_DELAYS="+c.delays)
			found := do(t, call{address: r.at.API, body: c.event, header: event})
			equal(t, "status", found.status, 202)
			r.stderr.wait(t, "EVENT RequestId: "+found.header.Get(requestIDHeader)+c.log, 1)
			equal(t, "attempts", strings.Count(r.stderr.String(), "START RequestId: "+found.header.Get(requestIDHeader)), c.attempts)
		})
	}
}

// An event that waits for its next try when the program ends is not lost
// without a word.
func TestEventAtTheEnd(t *testing.T) {
	t.Parallel()
	r := openByEvent(t)
	do(t, call{address: r.at.API, body: `"fail"`, header: map[string]string{"X-Amz-Invocation-Type": "Event"}})
	r.stderr.wait(t, "REPORT RequestId: ", 1)
	began := time.Now()
	equal(t, "exit code", r.end(syscall.SIGTERM), 0)
	contains(t, "log", r.stderr.String(), "\tAttempts: 1\tStatus: failed, and not tried again: the emulator is shutting down\tResult: {")
	if took := time.Since(began); took > time.Second {
		t.Errorf("the wait for the next try held up the end for %v", took)
	}
}

func TestJSONLog(t *testing.T) {
	t.Parallel()
	r := openByEvent(t, "AWS_LAMBDA_LOG_FORMAT=JSON", "DOCKER_LAMBDA_SYSTEM_LOG_LEVEL=DEBUG", "AWS_LAMBDA_FUNCTION_TIMEOUT=1")
	id := do(t, call{address: r.at.API, body: `1`}).header.Get(requestIDHeader)
	for _, expected := range []string{
		`"type":"platform.initStart","record":{"initializationType":"on-demand","phase":"init"`,
		`"type":"platform.initRuntimeDone","record":{`,
		`"type":"platform.start","record":{"requestId":"` + id + `","version":"$LATEST"}}`,
		`"type":"platform.runtimeDone","record":{"requestId":"` + id + `","status":"success","metrics":{`,
		`"type":"platform.report","record":{"requestId":"` + id + `","status":"success","metrics":{`,
	} {
		r.stderr.wait(t, expected, 1)
	}
	id = do(t, call{address: r.at.API, body: `"hang"`}).header.Get(requestIDHeader)
	r.stderr.wait(t, `"type":"platform.report","record":{"requestId":"`+id+`","status":"timeout"`, 1)
	if strings.Contains(r.stderr.String(), "START RequestId") {
		t.Error("a line of the text format in the JSON log")
	}
}

func TestLogLevel(t *testing.T) {
	t.Parallel()
	r := openByEvent(t, "AWS_LAMBDA_LOG_FORMAT=JSON", "DOCKER_LAMBDA_SYSTEM_LOG_LEVEL=WARN")
	do(t, call{address: r.at.API, body: `1`})
	do(t, call{address: r.at.API, body: `"fail"`})
	r.stderr.wait(t, `"type":"platform.report"`, 1)
	equal(t, "START records", strings.Count(r.stderr.String(), "platform.start"), 0)
	equal(t, "REPORT records", strings.Count(r.stderr.String(), "platform.report"), 1)
}
