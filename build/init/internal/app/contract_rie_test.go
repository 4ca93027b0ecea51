package app

import (
	"net/http"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// emulator starts the program in the emulator's mode.
func emulator(t *testing.T, handler string, env ...string) *run {
	t.Helper()
	o := rieArgs(handler)
	o.env = env
	return begin(t, o)
}

func TestEmulatorStart(t *testing.T) {
	hold(t, []row{
		{"unknown flags are left out", func(t *testing.T) {
			o := rieArgs("echo")
			o.args = append([]string{"--enable-init-caching", "--new=1"}, o.args...)
			equal(t, "answer", do(t, call{address: begin(t, o).at.RIE, body: "1"}).body, "1")
		}},
		{"without a command: its places, and /var/task as the directory", func(t *testing.T) {
			found := loaded(t, "aws-lambda-rie").Bootstrap
			equal(t, "candidates", strings.Join(found.Candidates, " "), "/var/task/bootstrap /opt/bootstrap /var/runtime/bootstrap")
			equal(t, "directory", found.Dir, "/var/task")
		}},
		{"with a command: the directory is the container's", func(t *testing.T) {
			equal(t, "directory", loaded(t, "aws-lambda-rie /b a.b").Bootstrap.Dir, "")
		}},
		{"_HANDLER: from the environment, else the last argument, when there are several", func(t *testing.T) {
			equal(t, "function handler", loaded(t, "aws-lambda-rie /b x y", "AWS_LAMBDA_FUNCTION_HANDLER=f", "_HANDLER=h").Function.Handler, "f")
			equal(t, "handler", loaded(t, "aws-lambda-rie /b x y", "_HANDLER=h").Function.Handler, "h")
			equal(t, "several", loaded(t, "aws-lambda-rie /b x y").Function.Handler, "y")
			equal(t, "one", loaded(t, "aws-lambda-rie /b").Function.Handler, "")
		}},
		{"the first line, on stderr", func(t *testing.T) {
			here, err := os.Getwd()
			if err != nil {
				t.Fatal(err)
			}
			r := emulator(t, "a.b")
			matches(t, "stderr", r.stderr.String(), `^[0-9]{2} [A-Z][a-z]{2} [0-9]{4} [0-9]{2}:[0-9]{2}:[0-9]{2},[0-9]{3} `+
				`\[INFO\] \(rapid\) exec '`+os.Args[0]+`' \(cwd=`+here+`, handler=a\.b\)\n$`)
		}},
		{"context: defaults", func(t *testing.T) {
			f := loaded(t, "aws-lambda-rie").Function
			equal(t, "name", f.Name, "test_function")
			equal(t, "version", f.Version, "$LATEST")
			equal(t, "memory", f.MemorySize, 3008)
			equal(t, "timeout", f.Timeout, 300*time.Second)
		}},
		// The emulator: always /aws/lambda/Functions and $LATEST.
		{"log group and stream: docker-lambda's, unless the caller names them", func(t *testing.T) {
			found := loaded(t, "aws-lambda-rie", "AWS_LAMBDA_FUNCTION_NAME=f").RuntimeEnvironment("x")
			if !slices.Contains(found, "AWS_LAMBDA_LOG_GROUP_NAME=/aws/lambda/f") {
				t.Errorf("found %q", found)
			}
		}},
		{"no address of an API that is not there", func(t *testing.T) {
			without(t, loaded(t, "aws-lambda-rie").RuntimeEnvironment("x"), "AWS_LAMBDA_METADATA_API", "AWS_LAMBDA_METADATA_TOKEN")
		}},
		{"extensions: not what is the runtime's alone", func(t *testing.T) {
			found := loaded(t, "aws-lambda-rie /b a.b", "_X_AMZN_TRACE_ID=t", "AWS_XRAY_DAEMON_ADDRESS=a", "AWS_XRAY_CONTEXT_MISSING=b",
				"AWS_EXECUTION_ENV=e", "LAMBDA_TASK_ROOT=r", "MINE=1").ExtensionEnvironment("x:1")
			without(t, found, "_HANDLER", "_X_AMZN_TRACE_ID", "AWS_XRAY_DAEMON_ADDRESS", "AWS_XRAY_CONTEXT_MISSING",
				"AWS_EXECUTION_ENV", "LAMBDA_TASK_ROOT", "AWS_LAMBDA_LOG_GROUP_NAME", "AWS_LAMBDA_LOG_STREAM_NAME")
			for _, entry := range []string{"MINE=1", "AWS_LAMBDA_RUNTIME_API=x:1", "AWS_LAMBDA_FUNCTION_NAME=test_function"} {
				if !slices.Contains(found, entry) {
					t.Errorf("%s is missing in %q", entry, found)
				}
			}
		}},
		{"REPORT: as SAM CLI looks for it", func(t *testing.T) {
			r := emulator(t, "echo")
			do(t, call{address: r.at.RIE, body: "1"})
			r.stdout.wait(t, "REPORT", 1)
			matches(t, "stdout", r.stdout.String(), `(.*\s)?REPORT RequestId:\s.+ Duration:\s.+\sMemory Size:\s.+\sMax Memory Used:\s.+`)
		}},
	})
}

func TestEmulatorCalls(t *testing.T) {
	const limit = 6291556
	hold(t, []row{
		// The emulator takes any method for a call.
		{"method: POST alone, and OPTIONS for browsers", func(t *testing.T) {
			r := emulator(t, "echo")
			for _, method := range []string{http.MethodGet, http.MethodPut, http.MethodDelete} {
				found := do(t, call{address: r.at.RIE, method: method})
				equal(t, method, found.status, 405)
				equal(t, method, found.header.Get("Allow"), "OPTIONS")
			}
			found := do(t, call{address: r.at.RIE, method: http.MethodOptions, header: map[string]string{"Origin": "http://x"}})
			equal(t, "OPTIONS", found.status, 200)
			equal(t, "calls of the function", strings.Count(r.stdout.String(), "START"), 0)
		}},
		{"tenant: from the request", func(t *testing.T) {
			r := emulator(t, "headers")
			found := seen(t, r.at.RIE, map[string]string{"X-Amz-Tenant-Id": "me"})
			equal(t, "tenant", found.Get("Lambda-Runtime-Aws-Tenant-Id"), "me")
		}},
		{"next: no trace id when there is none", func(t *testing.T) {
			_, given := seen(t, emulator(t, "headers").at.RIE, nil)["Lambda-Runtime-Trace-Id"]
			equal(t, "given", given, false)
		}},
		{"emulator, client context: decoded", func(t *testing.T) {
			found := seen(t, emulator(t, "headers").at.RIE, map[string]string{"X-Amz-Client-Context": "eyJhIjoxfQ=="})
			equal(t, "client context", found.Get("Lambda-Runtime-Client-Context"), `{"a":1}`)
		}},
		// The emulator reads neither header.
		{"invocation and log type: as with docker-lambda", func(t *testing.T) {
			r := emulator(t, "log")
			equal(t, "DryRun", do(t, call{address: r.at.RIE, header: map[string]string{"X-Amz-Invocation-Type": "DryRun"}}).status, 204)
			found := do(t, call{address: r.at.RIE, header: map[string]string{"X-Amz-Invocation-Type": "Event"}})
			equal(t, "Event", found.status, 202)
			r.stdout.wait(t, "REPORT RequestId: "+found.header.Get(requestIDHeader), 1)
			found = do(t, call{address: r.at.RIE, header: map[string]string{"X-Amz-Log-Type": "Tail"}})
			equal(t, "log", found.header.Get("X-Amz-Log-Result"), "b3V0IG9uZQ1vdXQgdHdvCmVyciBvbmUK") // one pipe: the order is kept
		}},
		{"exit: END and REPORT, too", func(t *testing.T) {
			r := emulator(t, "exit-42")
			found := do(t, call{address: r.at.RIE})
			id := found.header.Get(requestIDHeader)
			equal(t, "body", found.body, `{"errorType":"Runtime.ExitError","errorMessage":"RequestId: `+id+` Error: Runtime exited with error: exit status 42"}`)
			r.stdout.wait(t, "END RequestId: "+id+"\nREPORT RequestId: "+id, 1)
		}},
		// The emulator's 502 is empty.
		{"missing bootstrap: 502 that says so", func(t *testing.T) {
			o := rieArgs("x")
			o.args[3] = "/no/such"
			found := do(t, call{address: begin(t, o).at.RIE})
			equal(t, "status", found.status, 502)
			contains(t, "body", found.body, `{"errorType":"Runtime.InvalidEntrypoint"`)
		}},
		{"response: as large as may be, and a byte more", func(t *testing.T) {
			r := emulator(t, "echo")
			equal(t, "size", len(do(t, call{address: r.at.RIE, body: strings.Repeat("x", limit)}).body), limit)
			found := do(t, call{address: r.at.RIE, body: strings.Repeat("x", limit+1)})
			equal(t, "status", found.status, 200)
			contains(t, "body", found.body, `{"errorType":"Function.ResponseSizeTooLarge"`)
		}},
		{"SIGINT: rc 0", func(t *testing.T) {
			equal(t, "exit code", emulator(t, "echo").end(syscall.SIGINT), 0)
		}},
		// SIGHUP kills the emulator.
		{"emulator, SIGHUP: restart", func(t *testing.T) {
			r := emulator(t, "pid")
			before := do(t, call{address: r.at.RIE}).body
			r.signals <- syscall.SIGHUP
			r.stdout.wait(t, "SIGHUP received, restarting bootstrap...", 1)
			if after := do(t, call{address: r.at.RIE}).body; after == before {
				t.Errorf("the runtime %s was not replaced", before)
			}
		}},
		{"credentials API: not there", func(t *testing.T) {
			r := emulator(t, "echo")
			equal(t, "status", do(t, call{method: http.MethodGet, address: r.at.Runtime, path: "/2021-04-23/credentials"}).status, 404)
		}},
	})
}

// AWS_LAMBDA_MAX_CONCURRENCY has the emulator act as managed instances do.
func TestManagedInstances(t *testing.T) {
	managed := "AWS_LAMBDA_MAX_CONCURRENCY=2"
	hold(t, []row{
		{"managed instances: ARN of account and region", func(t *testing.T) {
			r := emulator(t, "headers", managed, "AWS_ACCOUNT_ID=123456789012", "AWS_REGION=eu-west-1")
			equal(t, "ARN", seen(t, r.at.RIE, nil).Get("Lambda-Runtime-Invoked-Function-Arn"),
				"arn:aws:lambda:eu-west-1:123456789012:function:test_function")
		}},
		{"managed instances: POST alone", func(t *testing.T) {
			equal(t, "status", do(t, call{method: http.MethodGet, address: emulator(t, "echo", managed).at.RIE}).status, 405)
		}},
		{"managed instances: a request id of ours without the caller's", func(t *testing.T) {
			found := do(t, call{address: emulator(t, "echo", managed).at.RIE})
			matches(t, "id", found.header.Get(requestIDHeader), "^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}$")
		}},
		{"one at a time: the caller's request id is not taken", func(t *testing.T) {
			found := do(t, call{address: emulator(t, "echo").at.RIE, header: map[string]string{"X-Amzn-RequestId": "mine"}})
			equal(t, "length of the id", len(found.header.Get(requestIDHeader)), 36)
		}},
		// The emulator ends with 1, and so cannot say to its caller what was wrong.
		{"managed instances: a failed init is told to every call", func(t *testing.T) {
			r := emulator(t, "init-exit", managed)
			for _, found := range together(t, 4, call{address: r.at.RIE}) {
				equal(t, "status", found.status, 502)
				contains(t, "body", found.body, "exit status 7")
			}
		}},
		{"managed instances: several events, each answer to its caller", func(t *testing.T) {
			r := emulator(t, "sleep-1", managed)
			for _, found := range together(t, 6, call{address: r.at.RIE, body: `"own"`}) {
				equal(t, "body", found.body, `"own"`)
			}
		}},
		{"managed instances: no count is a mistake", func(t *testing.T) {
			r := emulator(t, "echo", "AWS_LAMBDA_MAX_CONCURRENCY=many")
			equal(t, "exit code", r.wait(), 2)
			contains(t, "message", r.stderr.String(), "AWS_LAMBDA_MAX_CONCURRENCY")
		}},
	})
}
