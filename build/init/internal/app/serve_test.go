package app

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
)

func openByEvent(t *testing.T, env ...string) *run {
	return begin(t, options{args: []string{"byevent"}, open: true, env: env})
}

const requestIDHeader = "X-Amzn-Requestid"

func TestStayOpenOutcomes(t *testing.T) {
	t.Parallel()
	r := openByEvent(t)
	next := `"fine"` // after each case the next call must be served
	cases := []struct {
		name, event string
		errorHeader string
		body        string
		rieStatus   int
	}{
		{"success", `"ok"`, "", `"ok"`, 200},
		{"error with a type", `"fail"`, "My.Error", `{"errorType":"MyError","errorMessage":"bad","requestId":"x"}`, 200},
		{"error without a type", `"fail-unnamed"`, "Unhandled", `{"errorMessage":"bad"}`, 200},
		{"error of no shape", `"fail-shape"`, "Unhandled", `{"errorMessage":"InvalidErrorShape"}`, 200},
		{"exit 42", `"exit-42"`, "Unhandled", `Error: Runtime exited with error: exit status 42"}`, 502},
		{"exit 0", `"exit-0"`, "Unhandled", `Error: Runtime exited without providing a reason"}`, 502},
		{"killed", `"killed"`, "Unhandled", `Error: Runtime exited with error: signal: killed"}`, 502},
		{"answer and exit", `"answer-and-exit"`, "", `"last words"`, 200},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			found := do(t, call{address: r.at.API, body: c.event})
			equal(t, "status", found.status, 200)
			contains(t, "body", found.body, c.body)
			equal(t, "X-Amz-Function-Error", found.header.Get("X-Amz-Function-Error"), c.errorHeader)
			equal(t, "next call", do(t, call{address: r.at.API, body: next}).body, next)
		})
		t.Run(c.name+", emulator", func(t *testing.T) {
			found := do(t, call{address: r.at.RIE, body: c.event})
			equal(t, "status", found.status, c.rieStatus)
			contains(t, "body", found.body, c.body)
			equal(t, "X-Amz-Function-Error", found.header.Get("X-Amz-Function-Error"), c.errorHeader)
			equal(t, "next call", do(t, call{address: r.at.RIE, body: next}).body, next)
		})
	}
	r.stderr.wait(t, "REPORT RequestId: ", 4*len(cases))
	equal(t, "START lines", strings.Count(r.stderr.String(), "START RequestId: "), 4*len(cases))
	equal(t, "END lines", strings.Count(r.stderr.String(), "END RequestId: "), 4*len(cases))
}

func TestTimeout(t *testing.T) {
	t.Parallel()
	r := openByEvent(t, "AWS_LAMBDA_FUNCTION_TIMEOUT=1")
	t.Run("docker-lambda", func(t *testing.T) {
		before := do(t, call{address: r.at.API, body: `"pid"`}).body
		found := do(t, call{address: r.at.API, body: `"hang"`})
		id := found.header.Get(requestIDHeader)
		equal(t, "status", found.status, 200)
		equal(t, "error header", found.header.Get("X-Amz-Function-Error"), "Unhandled")
		equal(t, "body", found.body, `{"errorType":"Sandbox.Timedout","errorMessage":"RequestId: `+id+` Error: Task timed out after 1.00 seconds"}`)
		after := do(t, call{address: r.at.API, body: `"pid"`}).body
		if before == after {
			t.Errorf("the runtime %s was not replaced", before)
		}
		r.stderr.wait(t, "REPORT RequestId: "+id+"\tInit", 0)
		r.stderr.wait(t, "Duration: 1000.00 ms\tBilled Duration: 1000 ms\t", 1)
	})
	t.Run("emulator", func(t *testing.T) {
		found := do(t, call{address: r.at.RIE, body: `"hang"`})
		equal(t, "status", found.status, 200)
		equal(t, "error header", found.header.Get("X-Amz-Function-Error"), "Unhandled")
		equal(t, "body", found.body, "Task timed out after 1.00 seconds")
	})
}

func TestInitFailures(t *testing.T) {
	t.Parallel()
	cases := []struct{ handler, body, header string }{
		{"init-exit", "exit status 7", "Unhandled"},
		{"init-error", `{"errorType":"Init.Bad","errorMessage":"no start"}`, "Init.Bad"},
	}
	for _, c := range cases {
		t.Run(c.handler, func(t *testing.T) {
			t.Parallel()
			r := begin(t, options{args: []string{c.handler}, open: true})
			for range 2 {
				found := do(t, call{address: r.at.API, body: "{}"})
				equal(t, "status", found.status, 200)
				contains(t, "body", found.body, c.body)
				equal(t, "error header", found.header.Get("X-Amz-Function-Error"), c.header)
			}
			found := do(t, call{address: r.at.RIE, body: "{}"})
			equal(t, "emulator's status", found.status, 502)
			contains(t, "emulator's body", found.body, c.body)
		})
	}
}

func TestInvokeAPI(t *testing.T) {
	t.Parallel()
	r := openByEvent(t, "AWS_LAMBDA_FUNCTION_VERSION=3", "_X_AMZN_TRACE_ID=Root=1-2-3")
	cases := []struct {
		name   string
		c      call
		status int
		body   string
		header map[string]string
	}{
		{"ARN as name", call{path: "/2015-03-31/functions/arn%3Aaws%3Alambda%3Aus-east-1%3A1%3Afunction%3Af/invocations?Qualifier=x", body: `"a"`}, 200, `"a"`, nil},
		{"headers", call{body: `"a"`}, 200, `"a"`, map[string]string{"Content-Type": "application/json", "X-Amz-Executed-Version": "3", "X-Amzn-Remapped-Content-Length": "0", "X-Amzn-Trace-Id": "Root=1-2-3", "X-Amz-Log-Result": "", "Access-Control-Allow-Origin": ""}},
		{"dry run", call{body: `"exit-42"`, header: map[string]string{"X-Amz-Invocation-Type": "DryRun"}}, 204, "", map[string]string{"X-Amzn-Remapped-Content-Length": "0"}},
		{"request-response by name", call{body: `"a"`, header: map[string]string{"X-Amz-Invocation-Type": "RequestResponse"}}, 200, `"a"`, nil},
		{"origin", call{body: `"a"`, header: map[string]string{"Origin": "http://x"}}, 200, `"a"`, map[string]string{"Access-Control-Allow-Origin": "*"}},
		{"preflight", call{method: http.MethodOptions, path: "/any", header: map[string]string{"Origin": "http://x", "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "a,b"}}, 200, "", map[string]string{"Access-Control-Allow-Origin": "*", "Access-Control-Max-Age": "172800", "Access-Control-Allow-Methods": "POST", "Access-Control-Allow-Headers": "a,b"}},
		{"preflight without origin", call{method: http.MethodOptions}, 403, "", nil},
		{"GET", call{method: http.MethodGet}, 405, "", map[string]string{"Allow": "OPTIONS"}},
		{"unknown path", call{path: "/other"}, 405, "", map[string]string{"Allow": "OPTIONS"}},
		{"name of two segments", call{path: "/2015-03-31/functions/a/b/invocations"}, 405, "", nil},
		{"unknown path of the Runtime API", call{path: "/2018-06-01/other"}, 404, "404 page not found\n", nil},
		{"bad client context", call{header: map[string]string{"X-Amz-Client-Context": "%"}}, 400, `{"errorType":"ClientContextDecodingError"`, nil},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			c.c.address = r.at.API
			found := do(t, c.c)
			equal(t, "status", found.status, c.status)
			contains(t, "body", found.body, c.body)
			for name, value := range c.header {
				equal(t, name, found.header.Get(name), value)
			}
		})
	}
}

func TestEmulatorRoute(t *testing.T) {
	t.Parallel()
	r := openByEvent(t)
	equal(t, "any name", do(t, call{address: r.at.RIE, path: "/2015-03-31/functions/mine/invocations", body: "1"}).body, "1")
	equal(t, "unknown path", do(t, call{address: r.at.RIE, path: "/other"}).status, 404)
	equal(t, "GET", do(t, call{address: r.at.RIE, method: http.MethodGet}).status, 405)
	equal(t, "bad client context", do(t, call{address: r.at.RIE, header: map[string]string{"X-Amz-Client-Context": "%"}}).status, 500)
	equal(t, "type", do(t, call{address: r.at.RIE, body: `"x"`}).header.Get("Content-Type"), "text/plain; charset=utf-8")
}

func TestEventHeaders(t *testing.T) {
	t.Parallel()
	r := openByEvent(t, "AWS_LAMBDA_FUNCTION_TIMEOUT=5", "AWS_LAMBDA_FUNCTION_NAME=fn")
	context := base64.StdEncoding.EncodeToString([]byte(`{"custom":{"k":"v"}}`))
	found := do(t, call{address: r.at.API, body: `"headers"`, header: map[string]string{"X-Amz-Client-Context": context, "X-Amzn-Trace-Id": "ignored"}})
	var header http.Header
	if err := json.Unmarshal([]byte(found.body), &header); err != nil {
		t.Fatal(err)
	}
	equal(t, "request id", header.Get("Lambda-Runtime-Aws-Request-Id"), found.header.Get(requestIDHeader))
	equal(t, "ARN", header.Get("Lambda-Runtime-Invoked-Function-Arn"), "arn:aws:lambda:us-east-1:012345678912:function:fn")
	equal(t, "client context", header.Get("Lambda-Runtime-Client-Context"), `{"custom":{"k":"v"}}`)
	equal(t, "trace id", header.Get("Lambda-Runtime-Trace-Id"), "")
	_, cognito := header["Lambda-Runtime-Cognito-Identity"]
	equal(t, "cognito identity given", cognito, false)
	if deadline, err := strconv.ParseInt(header.Get("Lambda-Runtime-Deadline-Ms"), 10, 64); err != nil || deadline == 0 {
		t.Errorf("deadline: %v %v", deadline, err)
	}
	traced := do(t, call{address: r.at.RIE, body: `"headers"`, header: map[string]string{"X-Amzn-Trace-Id": "Root=1-9"}})
	contains(t, "emulator's trace id", traced.body, "Root=1-9")
}

func TestLogTail(t *testing.T) {
	t.Parallel()
	r := openByEvent(t)
	found := do(t, call{address: r.at.API, body: `"log"`, header: map[string]string{"X-Amz-Log-Type": "Tail"}})
	tail, err := base64.StdEncoding.DecodeString(found.header.Get("X-Amz-Log-Result"))
	if err != nil {
		t.Fatal(err)
	}
	// Two pipes: only the order within each of them is certain.
	contains(t, "tail", string(tail), "out one\nout two\n")
	contains(t, "tail", string(tail), "err one\n")
	equal(t, "length of the tail", len(tail), len("out one\nout two\nerr one\n"))
	r.stdout.wait(t, "out one\nout two\n", 1)
	r.stderr.wait(t, "err one\n", 1)
}

func TestEvent(t *testing.T) {
	t.Parallel()
	r := openByEvent(t)
	found := do(t, call{address: r.at.API, body: `"log"`, header: map[string]string{"X-Amz-Invocation-Type": "Event"}})
	equal(t, "status", found.status, 202)
	equal(t, "body", found.body, "")
	r.stderr.wait(t, "REPORT RequestId: "+found.header.Get(requestIDHeader), 1)
	contains(t, "log", r.stdout.String(), "out one")
}

func TestEventSurvivesSIGTERM(t *testing.T) {
	t.Parallel()
	r := openByEvent(t)
	const events = 20
	for range events {
		do(t, call{address: r.at.API, body: `"log"`, header: map[string]string{"X-Amz-Invocation-Type": "Event"}})
	}
	equal(t, "exit code", r.end(syscall.SIGTERM), 0)
	equal(t, "events served", strings.Count(r.stderr.String(), "REPORT RequestId: "), events)
}

func TestConcurrentClients(t *testing.T) {
	t.Parallel()
	for _, clients := range []int{2, 8} {
		t.Run(fmt.Sprint(clients, " clients"), func(t *testing.T) {
			r := openByEvent(t)
			const requests = 200
			var group sync.WaitGroup
			for n := range clients {
				address := r.at.API
				if n%2 == 1 {
					address = r.at.RIE
				}
				group.Go(func() {
					for i := n; i < requests; i += clients {
						body := fmt.Sprintf(`{"n":%d,"pad":"%s"}`, i, strings.Repeat("p", i*500))
						found, err := try(call{address: address, body: body})
						if err != nil || found.body != body {
							t.Errorf("request %d: %v, %d bytes of body", i, err, len(found.body))
						}
					}
				})
			}
			group.Wait()
			r.stderr.wait(t, "REPORT RequestId: ", requests)
			inOrder(t, r.stderr.String())
		})
	}
}

// inOrder checks that START, END and REPORT of each invocation stand together.
func inOrder(t *testing.T, log string) {
	t.Helper()
	var lines []string
	for line := range strings.Lines(log) {
		if strings.Contains(line, " RequestId: ") {
			lines = append(lines, line)
		}
	}
	for i := 0; i+2 < len(lines); i += 3 {
		id := strings.Fields(lines[i])[2]
		if !strings.HasPrefix(lines[i], "START RequestId: "+id) ||
			!strings.HasPrefix(lines[i+1], "END RequestId: "+id) ||
			!strings.HasPrefix(lines[i+2], "REPORT RequestId: "+id) {
			t.Fatalf("lines out of order: %q", lines[i:i+3])
		}
	}
}

func TestConcurrentTrouble(t *testing.T) {
	t.Parallel()
	r := openByEvent(t)
	expected := map[string]string{
		`"ok"`: `"ok"`, `"fail"`: "MyError", `"exit-42"`: "exit status 42", `"killed"`: "signal: killed", `"answer-and-exit"`: "last words",
	}
	var group sync.WaitGroup
	for event, body := range expected {
		for range 4 {
			group.Go(func() {
				found, err := try(call{address: r.at.API, body: event})
				if err != nil || !strings.Contains(found.body, body) {
					t.Errorf("%s: %v, %q", event, err, found.body)
				}
			})
		}
	}
	group.Wait()
}

func TestSIGHUP(t *testing.T) {
	t.Parallel()
	r := openByEvent(t)
	before := do(t, call{address: r.at.API, body: `"pid"`}).body
	r.signals <- syscall.SIGHUP
	r.stderr.wait(t, "SIGHUP received, restarting bootstrap...", 1)
	after := do(t, call{address: r.at.API, body: `"pid"`}).body
	if before == after {
		t.Errorf("the runtime %s was not replaced", before)
	}
	t.Run("during an invocation", func(t *testing.T) {
		hung := make(chan reply, 1)
		go func() {
			found, err := try(call{address: r.at.API, body: `"hang"`})
			if err != nil {
				t.Error(err)
			}
			hung <- found
		}()
		r.stdout.wait(t, "hanging", 1)
		r.signals <- syscall.SIGHUP
		contains(t, "answer", (<-hung).body, "signal: killed")
		equal(t, "next call", do(t, call{address: r.at.API, body: `1`}).body, "1")
	})
	t.Run("without a bootstrap", func(t *testing.T) {
		r := openByEvent(t, "DOCKER_LAMBDA_NO_BOOTSTRAP=1")
		equal(t, "exit code", r.end(syscall.SIGHUP), 2)
	})
}

func TestSIGTERM(t *testing.T) {
	t.Parallel()
	t.Run("idle", func(t *testing.T) {
		r := openByEvent(t)
		do(t, call{address: r.at.API, body: "1"})
		equal(t, "exit code", r.end(syscall.SIGTERM), 0)
	})
	t.Run("during an invocation", func(t *testing.T) {
		r := openByEvent(t)
		hung := make(chan reply, 1)
		go func() {
			found, err := try(call{address: r.at.API, body: `"hang"`})
			if err != nil {
				t.Error(err)
			}
			hung <- found
		}()
		r.stdout.wait(t, "hanging", 1)
		equal(t, "exit code", r.end(syscall.SIGTERM), 0)
		contains(t, "answer", (<-hung).body, "signal: terminated")
	})
	t.Run("emulator", func(t *testing.T) {
		r := begin(t, rieArgs("echo"))
		equal(t, "exit code", r.end(syscall.SIGTERM), 0)
	})
}

func TestReadiness(t *testing.T) {
	t.Parallel()
	t.Run("stay open", func(t *testing.T) {
		r := openByEvent(t)
		_, port, _ := net.SplitHostPort(r.at.API)
		dir, err := os.Getwd()
		if err != nil {
			t.Fatal(err)
		}
		contains(t, "log", r.stderr.String(), "Lambda API listening on port "+port+"...\n")
		inOneWrite(t, r.stderr, "[INFO] (rapid) exec '"+os.Args[0]+"' (cwd="+dir+", handler=)\n")
	})
	t.Run("emulator", func(t *testing.T) {
		r := begin(t, rieArgs("app.echo"))
		inOneWrite(t, r.stderr, ", handler=app.echo)\n")
	})
	t.Run("emulator, log level error", func(t *testing.T) {
		o := rieArgs("app.echo")
		o.args = append([]string{"--log-level", "error"}, o.args...)
		equal(t, "log", begin(t, o).stderr.String(), "")
	})
}

func inOneWrite(t *testing.T, o *output, text string) {
	t.Helper()
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, write := range o.writes {
		if strings.Contains(write, text) {
			return
		}
	}
	t.Errorf("expected one write with %q, found %q", text, o.writes)
}

func TestEmulatorMode(t *testing.T) {
	t.Parallel()
	o := rieArgs("byevent")
	r := begin(t, o)
	equal(t, "answer", do(t, call{address: r.at.RIE, body: `"log"`}).body, `"logged"`)
	r.stdout.wait(t, "REPORT RequestId: ", 1)
	log := r.stdout.String()
	contains(t, "log", log, "Version: $LATEST\nout one\rout two\nerr one\nEND RequestId: ")
	contains(t, "log", log, "\tMemory Size: 3008 MB\t")
	id := strings.Fields(log)[2]
	equal(t, "version of the request id", id[14], '4')
	contains(t, "ARN", do(t, call{address: r.at.RIE, body: `"headers"`}).body, ":function:test_function")
	contains(t, "error body", do(t, call{address: r.at.RIE, body: `"fail-shape"`}).body, "not json")
	tooLarge := do(t, call{address: r.at.RIE, body: `"big"`})
	equal(t, "status", tooLarge.status, 200)
	contains(t, "body", tooLarge.body, `{"errorType":"Function.ResponseSizeTooLarge"`)
	equal(t, "next call", do(t, call{address: r.at.RIE, body: "1"}).body, "1")
}

func TestPayloadLimits(t *testing.T) {
	t.Parallel()
	large := strings.Repeat("x", 7_000_000)
	t.Run("none by default", func(t *testing.T) {
		r := begin(t, options{args: []string{"echo"}, open: true})
		equal(t, "size", len(do(t, call{address: r.at.API, body: large}).body), len(large))
	})
	t.Run("enforced", func(t *testing.T) {
		r := openByEvent(t, "DOCKER_LAMBDA_ENFORCE_PAYLOAD=1")
		found := do(t, call{address: r.at.API, body: large})
		equal(t, "status", found.status, 413)
		contains(t, "body", found.body, "RequestTooLargeException")
		contains(t, "response", do(t, call{address: r.at.API, body: `"big"`}).body, "Function.ResponseSizeTooLarge")
		equal(t, "next call", do(t, call{address: r.at.API, body: "1"}).body, "1")
	})
}

func TestSeparatePorts(t *testing.T) {
	t.Parallel()
	// Both listen, and each serves its own API alone.
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(taken.Addr().String())
	_ = taken.Close()
	r := begin(t, options{args: []string{"echo"}, open: true, env: []string{"DOCKER_LAMBDA_RUNTIME_PORT=" + port}})
	equal(t, "runtime's address", r.at.Runtime, "127.0.0.1:"+port)
	equal(t, "answer", do(t, call{address: r.at.API, body: "1"}).body, "1")
	equal(t, "ping", do(t, call{method: http.MethodGet, address: r.at.Runtime, path: "/2018-06-01/ping"}).body, "pong")
	equal(t, "Runtime API on the API port", do(t, call{method: http.MethodGet, address: r.at.API, path: "/2018-06-01/ping"}).status, 404)
	equal(t, "Invoke API on the runtime port", do(t, call{address: r.at.Runtime}).status, 404)
}

func TestClientGone(t *testing.T) {
	t.Parallel()
	r := openByEvent(t)
	conn, err := net.Dial("tcp", r.at.API)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n\"log\"", functionPath); err != nil {
		t.Fatal(err)
	}
	_ = conn.Close()
	r.stderr.wait(t, "REPORT RequestId: ", 1)
	equal(t, "next call", do(t, call{address: r.at.API, body: "1"}).body, "1")
}

func TestWatch(t *testing.T) {
	t.Parallel()
	if _, err := os.Stat("/opt"); err != nil {
		t.Skip("no /opt to watch")
	}
	task := t.TempDir()
	r := openByEvent(t, "DOCKER_LAMBDA_WATCH=1", "LAMBDA_TASK_ROOT="+task)
	before := do(t, call{address: r.at.API, body: `"pid"`}).body
	if err := os.WriteFile(filepath.Join(task, "app.py"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	r.stderr.wait(t, "Handler/layer file changed, restarting bootstrap...", 1)
	if after := do(t, call{address: r.at.API, body: `"pid"`}).body; before == after {
		t.Errorf("the runtime %s was not replaced", before)
	}
	t.Run("missing directory", func(t *testing.T) {
		r := openByEvent(t, "DOCKER_LAMBDA_WATCH=1", "LAMBDA_TASK_ROOT="+filepath.Join(task, "missing"))
		equal(t, "exit code", r.wait(), 1)
	})
	t.Run("missing directory, emulator", func(t *testing.T) {
		o := rieArgs("echo")
		o.env = []string{"DOCKER_LAMBDA_WATCH=1", "LAMBDA_TASK_ROOT=" + filepath.Join(task, "missing")}
		r := begin(t, o)
		contains(t, "message", r.stderr.String(), "Warning: cannot watch")
		equal(t, "answer", do(t, call{address: r.at.RIE, body: "1"}).body, "1")
	})
}

// A runtime that somebody else has started: here, the test.
func TestNoBootstrap(t *testing.T) {
	t.Parallel()
	r := openByEvent(t, "DOCKER_LAMBDA_NO_BOOTSTRAP=1", "AWS_LAMBDA_FUNCTION_TIMEOUT=1")
	answers := make(chan reply, 1)
	invoke := func() {
		found, err := try(call{address: r.at.API, body: `"x"`})
		if err != nil {
			t.Error(err)
		}
		answers <- found
	}
	runtime := func(method, path, body string) reply {
		return do(t, call{method: method, address: r.at.Runtime, path: "/2018-06-01/runtime/" + path, body: body})
	}
	go invoke()
	event := runtime("GET", "invocation/next", "")
	equal(t, "event", event.body, `"x"`)
	id := event.header.Get("Lambda-Runtime-Aws-Request-Id")
	equal(t, "wrong request id", runtime("POST", "invocation/other/response", "1").status, 400)
	equal(t, "init error after next", runtime("POST", "init/error", "{}").status, 403)
	equal(t, "response", runtime("POST", "invocation/"+id+"/response", `"done"`).status, 202)
	// The caller has its answer though the runtime has not asked again.
	equal(t, "answer", (<-answers).body, `"done"`)
	equal(t, "response again", runtime("POST", "invocation/"+id+"/response", `"again"`).status, 403)

	go invoke()
	late := runtime("GET", "invocation/next", "").header.Get("Lambda-Runtime-Aws-Request-Id")
	contains(t, "answer of no answer", (<-answers).body, "Sandbox.Timedout")
	equal(t, "late response", runtime("POST", "invocation/"+late+"/response", "1").status, 400)

	go invoke()
	event = runtime("GET", "invocation/next", "")
	id = event.header.Get("Lambda-Runtime-Aws-Request-Id")
	equal(t, "response after a timeout", runtime("POST", "invocation/"+id+"/response", `2`).status, 202)
	equal(t, "answer after a timeout", (<-answers).body, "2")
}
