package app

import (
	"bytes"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// patience is how long a test waits for what must come; it is never waited
// for in full when all is well.
const patience = 10 * time.Second

func TestMain(m *testing.M) {
	// The test binary is its own runtime: see fakeruntime_test.go.
	if behaviour := os.Getenv("FAKE_EXTENSION"); behaviour != "" {
		fakeExtension(behaviour)
		os.Exit(0)
	}
	if os.Getenv("FAKE_RUNTIME") != "" {
		fakeRuntime()
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// output is a writer that tests can wait on.
type output struct {
	mu      sync.Mutex
	data    bytes.Buffer
	writes  []string
	changed chan struct{}
}

func newOutput() *output { return &output{changed: make(chan struct{})} }

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.data.Write(p)
	o.writes = append(o.writes, string(p))
	close(o.changed)
	o.changed = make(chan struct{})
	return len(p), nil
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.data.String()
}

// wait waits until text has been written n times.
func (o *output) wait(t *testing.T, text string, n int) {
	t.Helper()
	deadline := time.After(patience)
	for {
		o.mu.Lock()
		found, changed := strings.Count(o.data.String(), text) >= n, o.changed
		o.mu.Unlock()
		if found {
			return
		}
		select {
		case <-changed:
		case <-deadline:
			t.Fatalf("expected %d × %q, found:\n%s", n, text, o)
		}
	}
}

// run is a started program.
type run struct {
	t       *testing.T
	stdout  *output
	stderr  *output
	signals chan os.Signal
	at      Listening
	code    chan int
}

type options struct {
	name  string
	args  []string
	env   []string
	stdin io.Reader
	// open: the program stays open.
	open bool
	// extensions are external ones, and what they do.
	extensions map[string]string
	// initTimeout bounds the init phase, unless 0.
	initTimeout time.Duration
}

// begin starts the program with the test binary as its runtime.
func begin(t *testing.T, o options) *run {
	t.Helper()
	r := &run{t: t, stdout: newOutput(), stderr: newOutput(), signals: make(chan os.Signal, 1), code: make(chan int, 1)}
	name := o.name
	args := o.args
	if name == "" {
		name = "/var/rapid/init"
		if len(args) == 0 || !strings.HasPrefix(args[0], "-") {
			args = append([]string{"--bootstrap", os.Args[0]}, args...)
		}
	}
	env := append([]string{"FAKE_RUNTIME=1", "NO_COLOR=1", "DOCKER_LAMBDA_API_PORT=0",
		"DOCKER_LAMBDA_RUNTIME_PORT=0", "DOCKER_LAMBDA_RIE_PORT=0"}, o.env...)
	if o.open {
		env = append(env, "DOCKER_LAMBDA_STAY_OPEN=1")
	}
	stdin := o.stdin
	if stdin == nil {
		stdin = strings.NewReader("")
	}
	listening := make(chan Listening, 1)
	fx := Effects{
		Args: append([]string{name}, args...), Environ: env, Stdin: stdin,
		Stdout: r.stdout, Stderr: r.stderr, Signals: r.signals,
		Listening:   func(l Listening) { listening <- l },
		InitTimeout: o.initTimeout,
		Extensions:  extensionDirectory(t, o.extensions),
	}
	go func() { r.code <- Main(fx) }()
	select {
	case r.at = <-listening:
	case code := <-r.code:
		r.code <- code
	case <-time.After(patience):
		t.Fatal("the program does not listen")
	}
	t.Cleanup(func() {
		if o.open || name != "/var/rapid/init" {
			r.end(syscall.SIGINT)
		}
	})
	return r
}

func extensionDirectory(t *testing.T, extensions map[string]string) string {
	t.Helper()
	directory := t.TempDir()
	for name, behaviour := range extensions {
		script := "#!/bin/sh\nFAKE_EXTENSION=" + behaviour + " EXTENSION_NAME=" + name + " exec " + os.Args[0] + "\n"
		if err := os.WriteFile(filepath.Join(directory, name), []byte(script), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return directory
}

// wait waits for the exit code.
func (r *run) wait() int {
	r.t.Helper()
	select {
	case code := <-r.code:
		r.code <- code
		return code
	case <-time.After(patience):
		r.t.Fatalf("the program does not end; stderr:\n%s", r.stderr)
		return -1
	}
}

func (r *run) end(sig os.Signal) int {
	r.t.Helper()
	select {
	case r.signals <- sig:
	default:
	}
	return r.wait()
}

func rieArgs(handler string) options {
	return options{
		name: "/usr/local/bin/aws-lambda-rie",
		args: []string{"--runtime-api-address", "127.0.0.1:0",
			"--runtime-interface-emulator-address=127.0.0.1:0", os.Args[0], handler},
	}
}

type reply struct {
	status int
	header http.Header
	body   string
}

type call struct {
	method  string
	address string
	path    string
	header  map[string]string
	body    string
}

const functionPath = "/2015-03-31/functions/function/invocations"

// client gives up rather than to hang a test.
var client = http.Client{Timeout: patience, Transport: &http.Transport{MaxIdleConnsPerHost: 64}}

func do(t *testing.T, c call) reply {
	t.Helper()
	r, err := try(c)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func try(c call) (reply, error) {
	if c.method == "" {
		c.method = http.MethodPost
	}
	if c.path == "" {
		c.path = functionPath
	}
	req, err := http.NewRequest(c.method, "http://"+c.address+c.path, strings.NewReader(c.body))
	if err != nil {
		return reply{}, err
	}
	for name, value := range c.header {
		req.Header.Set(name, value)
	}
	res, err := client.Do(req)
	if err != nil {
		return reply{}, err
	}
	body, err := io.ReadAll(res.Body)
	if closeErr := res.Body.Close(); err == nil {
		err = closeErr
	}
	return reply{res.StatusCode, res.Header, string(body)}, err
}

func equal[T comparable](t *testing.T, what string, found, expected T) {
	t.Helper()
	if found != expected {
		t.Errorf("%s: expected %#v, found %#v", what, expected, found)
	}
}

func contains(t *testing.T, what, found, expected string) {
	t.Helper()
	if !strings.Contains(found, expected) {
		t.Errorf("%s: expected %q in %q", what, expected, found)
	}
}
