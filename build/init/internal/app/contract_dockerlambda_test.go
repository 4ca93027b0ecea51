package app

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"imagemill/init/internal/config"
)

// loaded is what the program makes of arguments and environment.
func loaded(t *testing.T, args string, env ...string) config.Config {
	t.Helper()
	cfg, err := config.Load(strings.Fields(args), env, config.Instance{})
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

// seen has the headers that the runtime got with an event.
func seen(t *testing.T, address string, header map[string]string) http.Header {
	t.Helper()
	var found http.Header
	body := do(t, call{address: address, body: `"headers"`, header: header}).body
	if err := json.Unmarshal([]byte(body), &found); err != nil {
		t.Fatalf("%v in %s", err, body)
	}
	return found
}

// once runs a single shot and returns its result and its log.
func once(t *testing.T, code int, o options) (stdout, stderr string) {
	t.Helper()
	r := begin(t, o)
	equal(t, "exit code", r.wait(), code)
	return r.stdout.String(), r.stderr.String()
}

func TestDockerLambdaStart(t *testing.T) {
	hold(t, []row{
		{"default bootstrap and its fallbacks", func(t *testing.T) {
			found := loaded(t, "init").Bootstrap.Candidates
			equal(t, "candidates", strings.Join(found, " "), "/var/runtime/bootstrap /var/task/bootstrap /opt/bootstrap")
		}},
		{"flags with one dash or two, and with = or without", func(t *testing.T) {
			for _, args := range []string{"-bootstrap /b", "--bootstrap /b", "-bootstrap=/b", "--bootstrap=/b"} {
				equal(t, args, loaded(t, "init "+args+" a.b").Bootstrap.Candidates[0], "/b")
			}
		}},
		{"--enable-msg-logs is accepted, without effect", func(t *testing.T) {
			stdout, _ := once(t, 0, options{args: []string{"--bootstrap", os.Args[0], "--enable-msg-logs", "echo", "1"}})
			equal(t, "result", stdout, "\n1\n")
		}},
		{"handler: the argument before the environment", func(t *testing.T) {
			equal(t, "handler", loaded(t, "init a.b", "AWS_LAMBDA_FUNCTION_HANDLER=c", "_HANDLER=d").Function.Handler, "a.b")
		}},
		{"handler: its default, and the language images' own", func(t *testing.T) {
			equal(t, "default", loaded(t, "init").Function.Handler, "handler")
			equal(t, "language's", loaded(t, "init --default-handler index.handler").Function.Handler, "index.handler")
			equal(t, "the environment before it", loaded(t, "init --default-handler x", "_HANDLER=y").Function.Handler, "y")
		}},
		{"event: AWS_LAMBDA_EVENT_BODY before stdin", func(t *testing.T) {
			stdout, _ := once(t, 0, options{args: []string{"echo"}, stdin: strings.NewReader("1"),
				env: []string{"DOCKER_LAMBDA_USE_STDIN=1", "AWS_LAMBDA_EVENT_BODY=2"}})
			equal(t, "result", stdout, "\n2\n")
		}},
		{"bootstrap: a directory is none, and without one exitError", func(t *testing.T) {
			stdout, _ := once(t, 1, options{args: []string{"--bootstrap", t.TempDir(), "x"}})
			pattern := `^\n\{"errorType":"exitError","errorMessage":"RequestId: [0-9a-f-]{36} Error: ` +
				`Couldn't find valid bootstrap\(s\): \[/var/task/bootstrap /opt/bootstrap\]"\}\n$`
			matches(t, "result", stdout, pattern)
		}},
		{"runtime: a process group of its own, the directory inherited", func(t *testing.T) {
			r := openByEvent(t)
			pid, err := strconv.Atoi(do(t, call{address: r.at.API, body: `"pid"`}).body)
			if err != nil {
				t.Fatal(err)
			}
			group, err := syscall.Getpgid(pid)
			if err != nil || group != pid {
				t.Errorf("process group of %d: %d, %v", pid, group, err)
			}
			here, err := os.Getwd()
			if err != nil {
				t.Fatal(err)
			}
			directory, err := os.Readlink(fmt.Sprintf("/proc/%d/cwd", pid))
			if err != nil || directory != here {
				t.Errorf("expected %s, found %s, %v", here, directory, err)
			}
		}},
		// docker-lambda starts it with the first call, which then waits for it.
		{"stay open: the runtime is started before the first call", func(t *testing.T) {
			bootstrap := filepath.Join(t.TempDir(), "bootstrap")
			if err := os.WriteFile(bootstrap, []byte("#!/bin/sh\necho up\nexec sleep 60\n"), 0o755); err != nil {
				t.Fatal(err)
			}
			begin(t, options{args: []string{"--bootstrap", bootstrap}, open: true}).stdout.wait(t, "up\n", 1)
		}},
		{"DOCKER_LAMBDA_DEBUG: lines on stderr", func(t *testing.T) {
			_, stderr := once(t, 0, options{args: []string{"echo", "1"}, env: []string{"DOCKER_LAMBDA_DEBUG=1"}})
			contains(t, "log", stderr, "debug: ")
		}},
		{"DOCKER_LAMBDA_WATCH: only with STAY_OPEN", func(t *testing.T) {
			once(t, 0, options{args: []string{"echo", "1"}, env: []string{"DOCKER_LAMBDA_WATCH=1", "LAMBDA_TASK_ROOT=/no/such"}})
		}},
		{"context: defaults", func(t *testing.T) {
			f := loaded(t, "init").Function
			equal(t, "name", f.Name, "test")
			equal(t, "version", f.Version, "$LATEST")
			equal(t, "memory", f.MemorySize, 1536)
			equal(t, "timeout", f.Timeout, 300*time.Second)
			equal(t, "region", f.Region, "us-east-1")
		}},
		{"context: AWS_REGION before AWS_DEFAULT_REGION", func(t *testing.T) {
			equal(t, "both", loaded(t, "init", "AWS_REGION=a", "AWS_DEFAULT_REGION=b").Function.Region, "a")
			equal(t, "one", loaded(t, "init", "AWS_DEFAULT_REGION=b").Function.Region, "b")
		}},
		{"context: trace, client and identity from the environment", func(t *testing.T) {
			r := openByEvent(t, "_X_AMZN_TRACE_ID=Root=1", "AWS_LAMBDA_CLIENT_CONTEXT={\"a\":1}", "AWS_LAMBDA_COGNITO_IDENTITY={\"b\":2}")
			found := seen(t, r.at.API, nil)
			equal(t, "trace id", found.Get("Lambda-Runtime-Trace-Id"), "Root=1")
			equal(t, "client context", found.Get("Lambda-Runtime-Client-Context"), `{"a":1}`)
			equal(t, "identity", found.Get("Lambda-Runtime-Cognito-Identity"), `{"b":2}`)
		}},
		{"deadline: the timeout from now on", func(t *testing.T) {
			r := openByEvent(t, "AWS_LAMBDA_FUNCTION_TIMEOUT=40")
			before := time.Now()
			ms, err := strconv.ParseInt(seen(t, r.at.API, nil).Get("Lambda-Runtime-Deadline-Ms"), 10, 64)
			if left := time.UnixMilli(ms).Sub(before); err != nil || left < 39*time.Second || left > 40*time.Second+patience {
				t.Errorf("%v left, %v", left, err)
			}
		}},
	})
}

func TestDockerLambdaOutput(t *testing.T) {
	const number = `[0-9]+\.[0-9]{2} ms`
	report := func(initial string) string {
		return `\nREPORT RequestId: [0-9a-f-]{36}\t` + initial + `Duration: ` + number +
			`\tBilled Duration: [0-9]+ ms\tMemory Size: 1536 MB\tMax Memory Used: [1-9][0-9]* MB\t\n$`
	}
	hold(t, []row{
		{"single shot: an empty line, the result, and nothing else", func(t *testing.T) {
			stdout, _ := once(t, 0, options{args: []string{"pretty"}})
			equal(t, "stdout", stdout, "\n{\"a\":1}\n")
		}},
		{"START, END and REPORT to the letter", func(t *testing.T) {
			_, stderr := once(t, 0, options{args: []string{"echo", "1"}})
			matches(t, "stderr", stderr, `^START RequestId: [0-9a-f]{8}-[0-9a-f]{4}-1[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12} Version: \$LATEST\n`+
				`END RequestId: [0-9a-f-]{36}`+report(`Init Duration: `+number+`\t`))
		}},
		{"REPORT: the init once alone", func(t *testing.T) {
			r := openByEvent(t)
			do(t, call{address: r.at.API, body: "1"})
			id := do(t, call{address: r.at.API, body: "2"}).header.Get(requestIDHeader)
			r.stderr.wait(t, "REPORT RequestId: "+id, 1)
			matches(t, "stderr", r.stderr.String(), report(""))
			equal(t, "inits", strings.Count(r.stderr.String(), "\tInit Duration: "), 1)
		}},
		{"REPORT: billed is rounded up", func(t *testing.T) {
			_, stderr := once(t, 0, options{args: []string{"echo", "1"}})
			found := regexp.MustCompile(`\tDuration: ([0-9.]+) ms\tBilled Duration: ([0-9]+) ms`).FindStringSubmatch(stderr)
			duration, err := strconv.ParseFloat(found[1], 64)
			if err != nil {
				t.Fatal(err)
			}
			billed, err := strconv.Atoi(found[2])
			if over := float64(billed) - duration; err != nil || over < 0 || over > 1.01 {
				t.Errorf("%v ms were billed as %d, %v", duration, billed, err)
			}
		}},
		{"every line is green, terminal or not", func(t *testing.T) {
			r := openByEvent(t, "NO_COLOR=")
			do(t, call{address: r.at.API, body: "1"})
			r.stderr.wait(t, "REPORT", 1)
			for line := range strings.Lines(r.stderr.String()) {
				if !strings.Contains(line, "[INFO] (rapid)") {
					matches(t, "line", line, "^\x1b\\[32m[^\x1b]+\x1b\\[0m\n$")
				}
			}
		}},
	})
}

func TestDockerLambdaInvokeAPI(t *testing.T) {
	hold(t, []row{
		{"DryRun: 204 with the request's id", func(t *testing.T) {
			r := openByEvent(t)
			found := do(t, call{address: r.at.API, header: map[string]string{"X-Amz-Invocation-Type": "DryRun"}})
			equal(t, "status", found.status, 204)
			matches(t, "id", found.header.Get(requestIDHeader), "^[0-9a-f-]{36}$")
			equal(t, "calls of the function", strings.Count(r.stderr.String(), "START"), 0)
		}},
		{"Event: 202 with the trace id", func(t *testing.T) {
			r := openByEvent(t, "_X_AMZN_TRACE_ID=Root=1")
			found := do(t, call{address: r.at.API, body: "1", header: map[string]string{"X-Amz-Invocation-Type": "Event"}})
			equal(t, "status", found.status, 202)
			equal(t, "trace id", found.header.Get("X-Amzn-Trace-Id"), "Root=1")
			equal(t, "remapped length", found.header.Get("X-Amzn-Remapped-Content-Length"), "0")
			r.stderr.wait(t, "REPORT RequestId: "+found.header.Get(requestIDHeader), 1)
		}},
		{"another invocation type: synchronous", func(t *testing.T) {
			r := openByEvent(t)
			found := do(t, call{address: r.at.API, body: "1", header: map[string]string{"X-Amz-Invocation-Type": "event"}})
			equal(t, "status", found.status, 200)
			equal(t, "body", found.body, "1")
		}},
		{"origin: the headers that a script may read", func(t *testing.T) {
			r := openByEvent(t)
			found := do(t, call{address: r.at.API, body: "1", header: map[string]string{"Origin": "http://x"}})
			equal(t, "headers", found.header.Get("Access-Control-Expose-Headers"),
				"x-amzn-RequestId,x-amzn-ErrorType,x-amzn-ErrorMessage,Date,x-amz-log-result,x-amz-function-error")
		}},
		{"payloads are not looked into", func(t *testing.T) {
			r := begin(t, options{args: []string{"echo"}, open: true})
			for _, body := range []string{"", "{", "\xff\x00", "plain"} {
				found := do(t, call{address: r.at.API, body: body})
				equal(t, "body", found.body, body)
				equal(t, "length", found.header.Get("Content-Length"), strconv.Itoa(len(body)))
			}
		}},
		{"a payload that breaks off: 500 BodyReadError", func(t *testing.T) {
			r := openByEvent(t)
			conn, err := net.Dial("tcp", r.at.API)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = conn.Close() }()
			_, err = fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n123", functionPath)
			if err != nil || conn.(*net.TCPConn).CloseWrite() != nil {
				t.Fatal(err)
			}
			answer, err := io.ReadAll(conn)
			if err != nil {
				t.Fatal(err)
			}
			contains(t, "answer", string(answer), "HTTP/1.1 500 ")
			contains(t, "answer", string(answer), `{"errorType":"BodyReadError"`)
			equal(t, "next call", do(t, call{address: r.at.API, body: "1"}).body, "1")
		}},
	})
}

func matches(t *testing.T, what, found, pattern string) {
	t.Helper()
	if !regexp.MustCompile(pattern).MatchString(found) {
		t.Errorf("%s: expected %s, found %q", what, pattern, found)
	}
}

// without is whether none of the variables is set.
func without(t *testing.T, environment []string, names ...string) {
	t.Helper()
	for _, name := range names {
		if slices.ContainsFunc(environment, func(entry string) bool { return strings.HasPrefix(entry, name+"=") }) {
			t.Errorf("%s is set", name)
		}
	}
}
