package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/rpc"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestMain lets this test's own program be the function: run as `echo`, `leave`, `panic` or `api`.
func TestMain(m *testing.M) {
	switch filepath.Base(os.Args[0]) {
	case "api":
		response, err := http.Get("http://" + os.Getenv("AWS_LAMBDA_RUNTIME_API") + "/2018-06-01/runtime/invocation/next")
		if err != nil || response.StatusCode != http.StatusOK {
			os.Exit(1)
		}
		os.Exit(7)
	case "echo", "leave", "panic", "fail":
		listener, err := net.Listen("tcp", "localhost:"+os.Getenv("_LAMBDA_SERVER_PORT"))
		if err != nil {
			panic(err)
		}
		if err := rpc.RegisterName("Function", &Fake{filepath.Base(os.Args[0])}); err != nil {
			panic(err)
		}
		rpc.Accept(listener)
	}
	os.Exit(m.Run())
}

// Fake is a function as aws-lambda-go serves one.
type Fake struct{ manner string }

// Invoke answers in the function's manner.
func (f *Fake) Invoke(event *InvokeRequest, answer *InvokeResponse) error {
	switch f.manner {
	case "leave":
		os.Exit(42)
	case "fail":
		return errors.New("no")
	case "panic":
		answer.Error = &failure{"no", "errorString", []*frame{{"main.go", 3, "main"}}, true}
		return nil
	}
	answer.Payload = []byte(fmt.Sprintf("%s %s %d.%d", event.Payload, event.RequestId, event.Deadline.Seconds, event.Deadline.Nanos))
	return nil
}

func TestFunctions(t *testing.T) {
	cases := map[string]struct {
		handler string
		posted  string // what the API was told first
		status  int
	}{
		"answers":             {"echo", "/2018-06-01/runtime/invocation/1/response {} 1 1700000000.250000000", 1},
		"exits":               {"leave", "", 42},
		"refuses":             {"fail", `/2018-06-01/runtime/invocation/1/error {"errorMessage":"no","errorType":"ServerError"}`, 1},
		"panics":              {"panic", `/2018-06-01/runtime/invocation/1/error {"errorMessage":"no","errorType":"errorString","stackTrace":[{"path":"main.go","line":3,"label":"main"}]}`, 1},
		"speaks for itself":   {"api", "", 7},
		"is not there at all": {"nowhere", `/2018-06-01/runtime/init/error {"errorMessage":"fork/exec ROOT/nowhere: no such file or directory","errorType":"PathError"}`, 1},
	}
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range cases {
		t.Run(name, func(t *testing.T) {
			root := t.TempDir()
			for _, handler := range []string{"echo", "leave", "panic", "fail", "api"} {
				if err := os.Symlink(program, filepath.Join(root, handler)); err != nil {
					t.Fatal(err)
				}
			}
			var posted []string
			given := false
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.Method == http.MethodPost {
					body, _ := io.ReadAll(r.Body)
					posted = append(posted, strings.ReplaceAll(r.URL.Path+" "+string(body), root, "ROOT"))
					w.WriteHeader(http.StatusAccepted)
					return
				}
				if given { // one event is enough
					w.WriteHeader(http.StatusGone)
					return
				}
				given = true
				w.Header().Set("Lambda-Runtime-Aws-Request-Id", "1")
				w.Header().Set("Lambda-Runtime-Deadline-Ms", "1700000000250")
				_, _ = io.WriteString(w, "{}")
			}))
			defer server.Close()
			address := strings.TrimPrefix(server.URL, "http://")
			t.Setenv("AWS_LAMBDA_RUNTIME_API", address)
			status, err := run(newRuntimeAPI(address), root, test.handler)
			if status != test.status {
				t.Errorf("status %d (%v), not %d", status, err, test.status)
			}
			if got := strings.Join(posted, "\n"); got != test.posted {
				t.Errorf("posted\n%s\nnot\n%s", got, test.posted)
			}
		})
	}
}
