// Package wiretest calls handlers as their callers do: over a connection. Only
// tests use it.
package wiretest

import (
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"imagemill/init/internal/wire"
)

// Server is a handler that listens, until the test ends.
type Server struct {
	URL string
	// Client has connections of its own.
	Client *http.Client

	t testing.TB
}

// Start has a server answer on a port of its own. Its Handler must be set.
func Start(t testing.TB, server *wire.Server) *Server {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server.HeadPatience = 10 * time.Second
	go func() { _ = server.Serve(listener) }()
	transport := &http.Transport{DisableCompression: true, MaxIdleConnsPerHost: 16}
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		server.Close()
	})
	return &Server{
		URL:    "http://" + listener.Addr().String(),
		Client: &http.Client{Transport: transport, Timeout: 30 * time.Second},
		t:      t,
	}
}

// Handle starts a server for a handler.
func Handle(t testing.TB, handler func(*wire.Exchange)) *Server {
	return Start(t, &wire.Server{Handler: handler})
}

// Answer is what a call got.
type Answer struct {
	Code    int
	Header  http.Header
	Body    string
	Trailer http.Header
}

// Call sends a request, with header fields as name, value, and returns the
// whole answer.
func (s *Server) Call(method, path, body string, header ...string) Answer {
	s.t.Helper()
	r, err := http.NewRequest(method, s.URL+path, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	for n := 0; n < len(header); n += 2 {
		r.Header.Set(header[n], header[n+1])
	}
	return s.Do(r)
}

// Do sends a request and returns the whole answer.
func (s *Server) Do(r *http.Request) Answer {
	s.t.Helper()
	res, err := s.Client.Do(r)
	if err != nil {
		s.t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	content, err := io.ReadAll(res.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return Answer{res.StatusCode, res.Header, string(content), res.Trailer}
}
