package app

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func lastLine(s string) string {
	lines := strings.Split(strings.TrimSuffix(s, "\n"), "\n")
	return lines[len(lines)-1]
}

func TestSingleShot(t *testing.T) {
	t.Parallel()
	script := func(text string, mode os.FileMode) string {
		path := filepath.Join(t.TempDir(), "bootstrap")
		if err := os.WriteFile(path, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	cases := []struct {
		name   string
		o      options
		code   int
		result string // part of the last line of standard output
		log    string // part of standard error
	}{
		{name: "event argument", o: options{args: []string{"echo", `{"a":1}`}}, result: `{"a":1}`},
		{name: "event from environment", o: options{args: []string{"echo"}, env: []string{"AWS_LAMBDA_EVENT_BODY=[2]"}}, result: `[2]`},
		{name: "event argument before environment", o: options{args: []string{"echo", "1"}, env: []string{"AWS_LAMBDA_EVENT_BODY=2"}}, result: "1"},
		{name: "event from stdin", o: options{args: []string{"echo"}, env: []string{"DOCKER_LAMBDA_USE_STDIN=1"}, stdin: strings.NewReader(`"in"`)}, result: `"in"`},
		{name: "default event", o: options{args: []string{"echo"}}, result: "{}"},
		{name: "empty event argument", o: options{args: []string{"echo", ""}}, result: ""},
		{name: "handler from AWS_LAMBDA_FUNCTION_HANDLER", o: options{env: []string{"AWS_LAMBDA_FUNCTION_HANDLER=text", "_HANDLER=echo"}}, result: "plain text"},
		{name: "handler from _HANDLER", o: options{env: []string{"_HANDLER=text"}}, result: "plain text"},
		{name: "result in one line", o: options{args: []string{"pretty"}}, result: `{"a":1}`},
		{name: "result not JSON", o: options{args: []string{"text"}}, result: "plain text"},
		{name: "handled error", o: options{args: []string{"fail"}}, code: 1, result: `"errorMessage":"bad"`},
		{name: "error of no shape", o: options{args: []string{"fail-shape"}}, code: 1, result: `{"errorMessage":"InvalidErrorShape"}`},
		{name: "exit in invoke", o: options{args: []string{"exit-42"}}, code: 1, result: `Error: Runtime exited with error: exit status 42"}`, log: "going down"},
		{name: "clean exit in invoke", o: options{args: []string{"exit-0"}}, code: 1, result: `Runtime exited without providing a reason"}`},
		{name: "killed in invoke", o: options{args: []string{"killed"}}, code: 1, result: `signal: killed`},
		{name: "answer and exit", o: options{args: []string{"answer-and-exit"}}, result: `"last words"`},
		{name: "exit in init", o: options{args: []string{"init-exit"}}, code: 1, result: `"errorType":"Runtime.ExitError"`},
		{name: "clean exit in init", o: options{args: []string{"init-clean-exit"}}, code: 1, result: `without providing a reason`},
		{name: "init error", o: options{args: []string{"init-error"}}, code: 1, result: `{"errorType":"Init.Bad","errorMessage":"no start"}`},
		{name: "timeout", o: options{args: []string{"hang"}, env: []string{"AWS_LAMBDA_FUNCTION_TIMEOUT=1"}}, code: 1, result: `{"errorType":"Sandbox.Timedout","errorMessage":"RequestId: `, log: "Billed Duration: 1000 ms"},
		{name: "missing bootstrap", o: options{args: []string{"--bootstrap", "/no/such", "x"}}, code: 1, result: `Error: Couldn't find valid bootstrap(s): [/var/task/bootstrap /opt/bootstrap]"}`},
		{name: "bootstrap not executable", o: options{args: []string{"--bootstrap", script("x", 0o644), "x"}}, code: 1, result: "permission denied"},
		{name: "bootstrap of no format", o: options{args: []string{"--bootstrap", script("x", 0o755), "x"}}, code: 1, result: "exec format error"},
		{name: "shell bootstrap that exits", o: options{args: []string{"--bootstrap", script("#!/bin/sh\necho up\nexit 9\n", 0o755), "x"}}, code: 1, result: "exit status 9", log: "up"},
		{name: "bootstrap arguments", o: options{args: []string{"--bootstrap", script("#!/bin/sh\necho \"$1-$2\"\n", 0o755), "--bootstrap-args", `["a","b"]`}}, code: 1, log: "a-b"},
		{name: "bad bootstrap arguments", o: options{args: []string{"--bootstrap-args", "x"}}, code: 1, log: "--bootstrap-args"},
		{name: "unknown flag", o: options{args: []string{"--nonsense"}}, code: 2, log: "Usage"},
		{name: "bad timeout", o: options{env: []string{"AWS_LAMBDA_FUNCTION_TIMEOUT=x"}}, code: 2, log: "AWS_LAMBDA_FUNCTION_TIMEOUT"},
		{name: "carriage returns", o: options{args: []string{"log"}}, result: `"logged"`, log: "out one\nout two\nerr one\nEND"},
		{name: "carriage returns kept", o: options{args: []string{"log"}, env: []string{"DOCKER_LAMBDA_NO_MODIFY_LOGS=1"}}, result: `"logged"`, log: "out one\rout two"},
		{name: "green", o: options{args: []string{"echo"}, env: []string{"NO_COLOR="}}, result: "{}", log: "\x1b[32mSTART RequestId: "},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := begin(t, c.o)
			equal(t, "exit code", r.wait(), c.code)
			contains(t, "result", lastLine(r.stdout.String()), c.result)
			contains(t, "log", r.stderr.String(), c.log)
			if c.result != "" && !strings.HasPrefix(r.stdout.String(), "\n") {
				t.Error("standard output does not begin with an empty line")
			}
		})
	}
}

func TestSingleShotLogLines(t *testing.T) {
	t.Parallel()
	r := begin(t, options{args: []string{"echo", "1"}})
	r.wait()
	lines := strings.Split(r.stderr.String(), "\n")
	if len(lines) != 4 {
		t.Fatalf("expected START, END and REPORT, found %q", lines)
	}
	for i, prefix := range []string{"START RequestId: ", "END RequestId: ", "REPORT RequestId: "} {
		contains(t, "line", lines[i], prefix)
	}
	for _, part := range []string{"\tInit Duration: ", "\tDuration: ", "\tBilled Duration: ", "\tMemory Size: 1536 MB\t", "\tMax Memory Used: "} {
		contains(t, "REPORT", lines[2], part)
	}
	if strings.Contains(lines[2], "Max Memory Used: 0 MB") || !strings.HasSuffix(lines[2], " MB\t") {
		t.Errorf("REPORT: %q", lines[2])
	}
	id := strings.Fields(lines[0])[2]
	if len(id) != 36 || id[14] != '1' {
		t.Errorf("request id %q is not of docker-lambda's form", id)
	}
}

func TestSingleShotEnvironment(t *testing.T) {
	t.Parallel()
	r := begin(t, options{args: []string{"environ"}, env: []string{
		"AWS_LAMBDA_EVENT_BODY=1", "_LAMBDA_SB_ID=7", "DOCKER_LAMBDA_DEBUG=1", "MINE=x",
		"AWS_LAMBDA_FUNCTION_NAME=fn", "AWS_REGION=eu-west-1", "AWS_ACCESS_KEY=key",
	}})
	equal(t, "exit code", r.wait(), 0)
	found := r.stdout.String()
	for _, entry := range []string{"_HANDLER=environ", "MINE=x", "AWS_LAMBDA_FUNCTION_NAME=fn",
		"AWS_DEFAULT_REGION=eu-west-1", "AWS_ACCESS_KEY_ID=key", "AWS_LAMBDA_LOG_GROUP_NAME=/aws/lambda/fn",
		"AWS_LAMBDA_INITIALIZATION_TYPE=on-demand", "AWS_LAMBDA_RUNTIME_API=127.0.0.1:"} {
		contains(t, "environment", found, `"`+entry)
	}
	for _, name := range []string{"DOCKER_LAMBDA_", "AWS_LAMBDA_EVENT_BODY", "_LAMBDA_SB_ID"} {
		if strings.Contains(found, `"`+name) {
			t.Errorf("%s reaches the runtime", name)
		}
	}
}

func TestSingleShotSignals(t *testing.T) {
	t.Parallel()
	for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
		t.Run(sig.String(), func(t *testing.T) {
			t.Parallel()
			r := begin(t, options{args: []string{"hang"}})
			r.stderr.wait(t, "hanging", 1)
			equal(t, "exit code", r.end(sig), 1)
			contains(t, "result", lastLine(r.stdout.String()), "Runtime.ExitError")
		})
	}
}

func TestSignalBeforeEvent(t *testing.T) {
	t.Parallel()
	never, _ := net.Pipe()
	r := begin(t, options{args: []string{"echo"}, env: []string{"DOCKER_LAMBDA_USE_STDIN=1"}, stdin: never})
	equal(t, "exit code", r.end(syscall.SIGINT), 1)
}

func TestPortInUse(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = taken.Close() }()
	_, port, _ := net.SplitHostPort(taken.Addr().String())
	cases := []struct {
		name, variable string
		open           bool
	}{
		{"single shot", "DOCKER_LAMBDA_RUNTIME_PORT", false},
		{"stay open, runtime port", "DOCKER_LAMBDA_RUNTIME_PORT", true},
		{"stay open, API port", "DOCKER_LAMBDA_API_PORT", true},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			r := begin(t, options{args: []string{"echo"}, open: c.open, env: []string{c.variable + "=" + port}})
			equal(t, "exit code", r.wait(), 1)
			contains(t, "message", r.stderr.String(), "port "+port)
			contains(t, "message", r.stderr.String(), c.variable)
		})
	}
	t.Run("stay open, emulator's port", func(t *testing.T) {
		r := begin(t, options{args: []string{"echo"}, open: true, env: []string{"DOCKER_LAMBDA_RIE_PORT=" + port}})
		contains(t, "message", r.stderr.String(), "Warning: ")
		equal(t, "answer", do(t, call{address: r.at.API, body: "1"}).body, "1")
	})
	t.Run("emulator", func(t *testing.T) {
		o := rieArgs("echo")
		o.args[2] = "--runtime-interface-emulator-address=127.0.0.1:" + port
		r := begin(t, o)
		equal(t, "exit code", r.wait(), 1)
		contains(t, "message", r.stderr.String(), "--runtime-interface-emulator-address")
	})
}

func TestOnLambda(t *testing.T) {
	var path string
	var environ []string
	stderr := newOutput()
	code := Main(Effects{
		Args:    []string{"/var/rapid/init", "--bootstrap", os.Args[0], "app.handler"},
		Environ: []string{"AWS_LAMBDA_RUNTIME_API=10.0.0.1:9001", "KEPT=1"},
		Stderr:  stderr,
		Exec: func(p string, _, e []string) error {
			path, environ = p, e
			return os.ErrPermission
		},
	})
	equal(t, "exit code", code, 1)
	equal(t, "executable", path, os.Args[0])
	equal(t, "environment", strings.Join(environ, " "), "AWS_LAMBDA_RUNTIME_API=10.0.0.1:9001 KEPT=1 _HANDLER=app.handler")
}

func TestCommandFromSearchPath(t *testing.T) {
	t.Parallel()
	o := rieArgs("echo")
	dir, command := filepath.Split(os.Args[0])
	o.args[3] = command
	o.env = []string{"PATH=/no/such:" + dir}
	r := begin(t, o)
	equal(t, "answer", do(t, call{address: r.at.RIE, body: "1"}).body, "1")
}
