package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

func TestMain(m *testing.M) {
	// The test binary is the command that TestFirst starts.
	if address := os.Getenv("BENCH_TEST_SERVE"); address != "" {
		fmt.Fprintln(os.Stderr, http.ListenAndServe(address, http.HandlerFunc(echoBack)))
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// echoBack answers an event with itself.
func echoBack(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	_, _ = w.Write(body)
}

// plan is a small load on a server.
func planFor(t *testing.T, server *httptest.Server) loadPlan {
	t.Helper()
	at, err := parseURL(server.URL + "/invoke")
	if err != nil {
		t.Fatal(err)
	}
	return loadPlan{at: at, clients: 3, requests: 60, warmup: 2, size: 200, check: true, limit: 5 * time.Second}
}

func driveIt(t *testing.T, plan loadPlan) loadResult {
	t.Helper()
	clients := make([]*loader, plan.clients)
	for i := range clients {
		client, err := newLoader(plan, i)
		if err != nil {
			t.Fatal(err)
		}
		clients[i] = client
	}
	return drive(plan, clients)
}

func TestLoad(t *testing.T) {
	var count atomic.Int64
	// every lets one answer in ten be a bad one.
	every := func(bad http.HandlerFunc) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			if count.Add(1)%10 == 0 {
				bad(w, r)
			} else {
				echoBack(w, r)
			}
		}
	}
	tests := []struct {
		name    string
		handler http.HandlerFunc
		size    int
		// What fails while the clients warm up counts too: 66 events are sent.
		errors, mismatches int64
		note               string
	}{
		{name: "good", handler: echoBack, size: 200},
		{name: "large, in chunks", handler: echoBack, size: 100_000},
		{name: "another's body", handler: every(func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			body[len(eventStart)] = '9'
			_, _ = w.Write(body)
		}), size: 200, mismatches: 6, note: "got back"},
		{name: "status", handler: every(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(502) }), size: 200, errors: 6, note: "status 502"},
		{name: "function error", handler: every(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("X-Amz-Function-Error", "Unhandled")
			echoBack(w, r)
		}), size: 200, errors: 6, note: "Unhandled"},
		{name: "connection cut", handler: every(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }), size: 200, errors: 6, note: "EOF"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			count.Store(0)
			server := httptest.NewServer(test.handler)
			defer server.Close()
			plan := planFor(t, server)
			plan.size = test.size
			got := driveIt(t, plan)
			if got.Errors != test.errors || got.Mismatches != test.mismatches || !strings.Contains(got.Note, test.note) {
				t.Errorf("expected %d errors and %d mismatches, found %+v", test.errors, test.mismatches, got)
			}
			if test.note == "" && (got.OK != 60 || got.Requests != 60 || got.P50 <= 0 || got.Max < got.P99) {
				t.Errorf("expected 60 good answers, found %+v", got)
			}
		})
	}
}

func TestLoadOfNobodyEnds(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(echoBack))
	plan := planFor(t, server)
	server.Close()
	if got := driveIt(t, plan); got.OK != 0 || got.Errors == 0 || got.Note == "" {
		t.Errorf("found %+v", got)
	}
}

// raw answers each request by what write puts on the connection.
func raw(t *testing.T, write func(conn net.Conn, request *http.Request, body []byte)) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		defer conn.Close()
		write(conn, r, body)
	}))
	t.Cleanup(server.Close)
	return server.URL + "/invoke"
}

func TestSoakSeesFaults(t *testing.T) {
	good := func(body []byte) string {
		return fmt.Sprintf("HTTP/1.1 200 OK\r\nx-amzn-RequestId: 00000000-0000-1000-8000-000000000000\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
	}
	tests := []struct {
		name  string
		write func(conn net.Conn, r *http.Request, body []byte)
		limit time.Duration
		want  faults
	}{
		{name: "good", write: func(conn net.Conn, _ *http.Request, body []byte) {
			_, _ = io.WriteString(conn, good(body))
		}},
		{name: "twice", write: func(conn net.Conn, _ *http.Request, body []byte) {
			_, _ = io.WriteString(conn, good(body)+good(body))
		}, want: faults{Twice: 1}},
		{name: "wrong", write: func(conn net.Conn, _ *http.Request, body []byte) {
			_, _ = io.WriteString(conn, good(body[1:]))
		}, want: faults{Wrong: 1}},
		{name: "lost", write: func(net.Conn, *http.Request, []byte) {}, want: faults{Lost: 1}},
		{name: "hung", write: func(conn net.Conn, _ *http.Request, _ []byte) {
			_, _ = conn.Read(make([]byte, 1)) // until the client goes
		}, limit: 30 * time.Millisecond, want: faults{Hung: 1}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			at, err := parseURL(raw(t, test.write))
			if err != nil {
				t.Fatal(err)
			}
			limit := test.limit
			if limit == 0 {
				limit = 5 * time.Second
			}
			s, err := newSoaker(soakPlan{at: at, clients: 1, limit: limit, timeout: time.Second}, 0)
			if err != nil {
				t.Fatal(err)
			}
			s.one(doEcho)
			s.listenOnce()
			s.hangUp()
			got := sumUp([]*soaker{s})
			if got.Faults != test.want || got.Total != 1 || len(got.Examples) != int(test.want.sum()) {
				t.Errorf("expected %+v, found %+v", test.want, got)
			}
		})
	}
}

func TestFirst(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	at := target{address, "/invoke"}
	watch, err := newStopwatch(at, 100, 5*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := watch.measure([]string{os.Args[0]}); err == nil || !strings.Contains(err.Error(), "is taken") {
		t.Errorf("a taken port: found %v", err)
	}
	_ = listener.Close()
	t.Setenv("BENCH_TEST_SERVE", address)
	got, err := watch.measure([]string{os.Args[0]})
	if err != nil || got.Listening <= 0 || got.First < got.Listening {
		t.Errorf("found %+v, %v", got, err)
	}
	if conn, err := dial(address, time.Second); err == nil {
		_ = conn.Close()
		t.Error("the command still serves")
	}
	if _, err := watch.measure([]string{"/bin/false"}); err == nil || !strings.Contains(err.Error(), "has ended") {
		t.Errorf("a command that ends: found %v", err)
	}
}
