package main

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// told is what a runtime has told the Runtime API.
type told struct{ path, kind, body string }

// runtimeAPI gives out one event and notes what comes back.
func runtimeAPI(t *testing.T, event string, outcome int) (string, chan told) {
	t.Helper()
	heard := make(chan told, 1)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet {
			w.Header().Set("Lambda-Runtime-Aws-Request-Id", "id-1")
			_, _ = io.WriteString(w, event)
			return
		}
		body, _ := io.ReadAll(r.Body)
		heard <- told{r.URL.Path, r.Header.Get("Lambda-Runtime-Function-Error-Type"), string(body)}
		w.WriteHeader(outcome)
		_, _ = io.WriteString(w, `{"status":"OK"}`)
	}))
	t.Cleanup(server.Close)
	return strings.TrimPrefix(server.URL, "http://"), heard
}

func TestEcho(t *testing.T) {
	event := func(do string) string {
		made, err := newEvent(do, 120)
		if err != nil {
			t.Fatal(err)
		}
		return string(made)
	}
	const response = "/2018-06-01/runtime/invocation/id-1/response"
	tests := []struct {
		name      string
		behaviour string
		event     string
		want      told
	}{
		{"plain", "", "any bytes\x00", told{response, "", "any bytes\x00"}},
		{"large", "", strings.Repeat("x", 1<<20), told{response, "", strings.Repeat("x", 1<<20)}},
		{"mixed, echo", "mixed", event(doEcho), told{response, "", event(doEcho)}},
		{"mixed, error", "mixed", event(doError), told{"/2018-06-01/runtime/invocation/id-1/error", "Bench.Error",
			string(errorBody("0000-0000000000"))}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			host, heard := runtimeAPI(t, test.event, 202)
			ledger := filepath.Join(t.TempDir(), "ledger")
			environ := map[string]string{"AWS_LAMBDA_RUNTIME_API": host, "BENCH_BEHAVIOUR": test.behaviour,
				"BENCH_LEDGER": ledger, "BENCH_SLEEP_MS": "1"}
			client, err := newRuntimeClient(func(name string) string { return environ[name] })
			if err != nil {
				t.Fatal(err)
			}
			defer client.conn.Close()
			if err := client.serve(); err != nil {
				t.Fatal(err)
			}
			if got := <-heard; got != test.want {
				t.Errorf("expected %.300q, found %.300q", test.want, got)
			}
			if test.behaviour == "mixed" {
				if text, err := os.ReadFile(ledger); err != nil || string(text) != "0000-0000000000 id-1\n" {
					t.Errorf("the ledger has %q, %v", text, err)
				}
			}
		})
	}
}

func TestEchoEnds(t *testing.T) {
	host, heard := runtimeAPI(t, "x", 403)
	environ := map[string]string{"AWS_LAMBDA_RUNTIME_API": host}
	client, err := newRuntimeClient(func(name string) string { return environ[name] })
	if err != nil {
		t.Fatal(err)
	}
	if err := client.serve(); err == nil || !strings.Contains(err.Error(), "403") {
		t.Errorf("a refused outcome: found %v", err)
	}
	<-heard
	_ = client.conn.Close()
	if err := client.serve(); err == nil || errors.Is(err, io.EOF) {
		t.Errorf("a closed connection: found %v", err)
	}
}

func TestEchoRefusesBadEnvironments(t *testing.T) {
	host, _ := runtimeAPI(t, "x", 202)
	for i, environ := range []map[string]string{
		{},
		{"AWS_LAMBDA_RUNTIME_API": host, "BENCH_SLEEP_MS": "-1"},
		{"AWS_LAMBDA_RUNTIME_API": host, "BENCH_SLEEP_MS": "x"},
		{"AWS_LAMBDA_RUNTIME_API": host, "BENCH_BEHAVIOUR": "odd"},
		{"AWS_LAMBDA_RUNTIME_API": host, "BENCH_BEHAVIOUR": "mixed", "BENCH_LEDGER": "/nowhere/at/all"},
	} {
		if _, err := newRuntimeClient(func(name string) string { return environ[name] }); err == nil {
			t.Error(fmt.Sprint(i, ": expected an error for ", environ))
		}
	}
}
