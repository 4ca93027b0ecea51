package wire

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// patience is what no test should ever come to wait for.
const patience = 10 * time.Second

// testServer is a Server that listens until the test ends.
type testServer struct {
	*Server
	addr   string
	served chan error
}

func start(t testing.TB, s *Server) *testServer {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if s.HeadPatience == 0 {
		s.HeadPatience = patience
	}
	ts := &testServer{Server: s, addr: listener.Addr().String(), served: make(chan error, 1)}
	go func() { ts.served <- s.Serve(listener) }()
	t.Cleanup(s.Close)
	return ts
}

// serve starts a server for a handler.
func serve(t testing.TB, handler func(*Exchange)) *testServer {
	return start(t, &Server{Handler: handler})
}

// shutdown shuts the server down, in time.
func (s *testServer) shutdown(t testing.TB) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	s.Shutdown(ctx)
	if ctx.Err() != nil {
		t.Error("Shutdown took too long")
	}
}

// open is how many connections the server has.
func (s *testServer) open() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.conns)
}

// peer is a caller that says what it likes.
type peer struct {
	*net.TCPConn
	t testing.TB
	r *bufio.Reader
}

func (s *testServer) dial(t testing.TB) *peer {
	t.Helper()
	conn, err := net.Dial("tcp", s.addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	return &peer{conn.(*net.TCPConn), t, bufio.NewReader(conn)}
}

// say writes; a server that has closed does not matter.
func (p *peer) say(text string) { _, _ = io.WriteString(p, text) }

func (p *peer) halfClose() { _ = p.CloseWrite() }

// answer is one that a peer got.
type answer struct {
	*http.Response
	body string
}

// next reads the answer to a request of the method.
func (p *peer) next(method string) (answer, error) {
	res, err := http.ReadResponse(p.r, &http.Request{Method: method})
	if err != nil {
		return answer{}, err
	}
	body, err := io.ReadAll(res.Body)
	return answer{res, string(body)}, err
}

// ask sends a request and returns the answer, which must come.
func (p *peer) ask(raw string) answer {
	p.t.Helper()
	p.say(raw)
	return p.must(strings.Fields(raw)[0])
}

func (p *peer) must(method string) answer {
	p.t.Helper()
	a, err := p.next(method)
	if err != nil {
		p.t.Fatalf("no answer: %v", err)
	}
	return a
}

// statuses are those of all answers until the connection is closed.
func (p *peer) statuses() (list []int) {
	p.t.Helper()
	for {
		a, err := p.next("GET")
		switch {
		case err == nil:
			list = append(list, a.StatusCode)
		case errors.Is(err, io.ErrUnexpectedEOF) && p.ended():
			return list
		default:
			p.t.Fatalf("after %v: %v", list, err)
		}
	}
}

// ended is whether the server closes, and has said no more.
func (p *peer) ended() bool {
	p.t.Helper()
	extra, err := io.ReadAll(p.r)
	if len(extra) > 0 {
		p.t.Errorf("the server says %q", extra)
	}
	return err == nil
}

// get is a request without a body.
func get(path string) string { return "GET " + path + " HTTP/1.1\r\nHost: a\r\n\r\n" }

// post is a request with one.
func post(path, body string) string {
	return fmt.Sprintf("POST %s HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n%s", path, len(body), body)
}

// echo answers with the path and the body.
func echo(x *Exchange) {
	body, err := x.ReadAll(0, 0)
	if err != nil {
		_ = x.Reply(400, nil, []byte(err.Error()))
		return
	}
	_ = x.Reply(200, nil, append([]byte(x.Path+" "), body...))
}

// eventually waits for what another goroutine is about to do.
func eventually(t testing.TB, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !is(); time.Sleep(100 * time.Microsecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s did not come about", what)
		}
	}
}
