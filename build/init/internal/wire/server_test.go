package wire

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"runtime"
	"strings"
	"syscall"
	"testing"
)

// TestAnswers is what is said to requests of all kinds, and whether the
// connection stays.
func TestAnswers(t *testing.T) {
	s := serve(t, func(x *Exchange) {
		switch x.Path {
		case "/204":
			_ = x.Reply(204, nil, []byte("unsaid"))
		case "/304":
			_ = x.Reply(304, nil, []byte("unsaid"))
		case "/close":
			_ = x.Reply(200, Header{{"Connection", "close"}}, nil)
		case "/100":
			_ = x.Reply(100, nil, nil)
		case "/unread":
			_ = x.Reply(413, nil, nil)
		case "/query":
			_ = x.Reply(200, nil, []byte(x.Method+" "+x.Proto()+" "+x.Query+" "+x.Remote()))
		default:
			echo(x)
		}
	})
	for _, c := range []struct {
		name, raw, expected string
		stays               bool
	}{
		{"1.1", get("/a"), "200 2 /a ", true},
		{"body", post("/a", "xyz"), "200 6 /a xyz", true},
		{"chunks", "PUT /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nxyz\r\n0\r\n\r\n", "200 6 /a xyz", true},
		{"the wish to close", "GET /a HTTP/1.1\r\nConnection: close\r\n\r\n", "200 3 /a ", false},
		{"1.0", "GET /a HTTP/1.0\r\n\r\n", "200 3 /a ", false},
		{"1.0, kept", "GET /a HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", "200 3 /a ", true},
		{"HEAD", "HEAD /a HTTP/1.1\r\n\r\n", "200 3 ", true},
		{"no content", get("/204"), "204 0 ", true},
		{"not modified", get("/304"), "304 0 ", true},
		{"an interim status", get("/100"), "500 0 ", true},
		{"the handler's wish to close", get("/close"), "200 0 ", false},
		{"a body nobody reads", post("/unread", "xyz"), "413 0 ", true},
		{"chunks nobody reads", "PUT /unread HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nxyz\r\n0\r\nA: b\r\n\r\n", "413 0 ", true},
		{"absolute form", "GET http://b/query?c=d HTTP/1.1\r\n\r\n", "200 26 GET HTTP/1.1 c=d 127.0.0.1", true},
		{"a malformed request", "GET\r\n\r\n", "400 32 the request line is malformed\n", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			conn := s.dial(t)
			a := conn.ask(c.raw)
			length := max(a.ContentLength, 0)
			if found := fmt.Sprintf("%d %d %s", a.StatusCode, length, a.body); !sameAnswer(found, c.expected) {
				t.Errorf("%q, expected %q", found, c.expected)
			}
			if a.Close == c.stays {
				t.Errorf("the answer says close: %v", a.Close)
			}
			if !c.stays {
				if !conn.ended() {
					t.Error("the connection has not been closed")
				}
				return
			}
			if a := conn.ask(get("/again")); a.body != "/again " {
				t.Errorf("then %q", a.body)
			}
		})
	}
}

// sameAnswer leaves the length out of it where the body tells it.
func sameAnswer(found, expected string) bool {
	status, rest, _ := strings.Cut(found, " ")
	wanted, remains, _ := strings.Cut(expected, " ")
	_, body, _ := strings.Cut(rest, " ")
	length, wantedBody, _ := strings.Cut(remains, " ")
	return status == wanted && body == wantedBody && (body != "" || strings.HasPrefix(rest, length+" "))
}

func TestSizesThroughNetHTTP(t *testing.T) {
	s := serve(t, echo)
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport, Timeout: patience}
	for _, size := range []int{0, 1, 4095, 4096, 4097, inOneWrite - 4, inOneWrite - 3, inOneWrite - 2, inOneWrite, 100_000, 6 << 20} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			content := bytes.Repeat([]byte("0123456789abcdef"), size/16+1)[:size]
			for _, chunked := range []bool{false, true} {
				var body io.Reader = bytes.NewReader(content)
				if chunked {
					body = io.MultiReader(body)
				}
				res, err := client.Post("http://"+s.addr+"/a", "", body)
				if err != nil {
					t.Fatal(err)
				}
				found, err := io.ReadAll(res.Body)
				_ = res.Body.Close()
				if err != nil || !bytes.Equal(found, append([]byte("/a "), content...)) {
					t.Errorf("%d bytes, chunked %v: got %d, %v", size, chunked, len(found), err)
				}
			}
		})
	}
	if open := s.open(); open != 1 {
		t.Errorf("the client took %d connections for all", open)
	}
}

func TestPipelining(t *testing.T) {
	s := serve(t, func(x *Exchange) {
		if strings.HasPrefix(x.Path, "/later") {
			x.Defer(func() { t.Error("the caller is said to be gone") })
			path := x.Path
			go func() { _ = x.Reply(200, nil, []byte(path+" ")) }()
			return
		}
		echo(x)
	})
	conn := s.dial(t)
	var raw strings.Builder
	const count = 200
	for n := range count {
		switch n % 3 {
		case 0:
			raw.WriteString(get(fmt.Sprintf("/later%d", n)))
		case 1:
			raw.WriteString(get(fmt.Sprintf("/%d", n)))
		case 2:
			raw.WriteString(post(fmt.Sprintf("/%d", n), fmt.Sprint(n)))
		}
	}
	raw.WriteString("GET /last HTTP/1.1\r\nConnection: close\r\n\r\n")
	conn.say(raw.String())
	for n := range count {
		expected := []string{fmt.Sprintf("/later%d ", n), fmt.Sprintf("/%d ", n), fmt.Sprintf("/%d %d", n, n)}[n%3]
		if a := conn.must("GET"); a.body != expected {
			t.Fatalf("answer %d is %q, expected %q", n, a.body, expected)
		}
	}
	if a := conn.must("GET"); a.body != "/last " || !conn.ended() {
		t.Errorf("at last %q", a.body)
	}
}

// TestLargeUnreadBody sees to it that an answer reaches a caller that sends
// on, and that such a caller does not send for ever.
func TestLargeUnreadBody(t *testing.T) {
	s := start(t, &Server{Handler: func(x *Exchange) { _ = x.Reply(413, nil, nil) }})
	conn := s.dial(t)
	conn.say(fmt.Sprintf("POST / HTTP/1.1\r\nContent-Length: %d\r\n\r\n", int64(1)<<40))
	sent := make(chan int64)
	go func() {
		piece := make([]byte, 1<<20)
		total := int64(0)
		for {
			n, err := conn.Write(piece)
			if total += int64(n); err != nil {
				sent <- total
				return
			}
		}
	}()
	if a := conn.must("POST"); a.StatusCode != 413 {
		t.Errorf("the answer is %d", a.StatusCode)
	}
	if total := <-sent; total < discardLimit/2 {
		t.Errorf("only %d bytes were taken", total)
	}
}

func TestPanic(t *testing.T) {
	var told string
	s := start(t, &Server{
		Debug: func(format string, args ...any) { told = fmt.Sprintf(format, args...) },
		Handler: func(x *Exchange) {
			switch x.Path {
			case "/begun":
				_, _ = x.Begin(200, nil)
			case "/fine":
				_ = x.Reply(200, nil, nil)
				return
			}
			panic("the fault")
		},
	})
	conn := s.dial(t)
	if a := conn.ask(post("/", strings.Repeat("x", 100_000))); a.StatusCode != 500 || !a.Close || !conn.ended() {
		t.Errorf("the answer is %d, close %v", a.StatusCode, a.Close)
	}
	if !strings.Contains(told, "the fault") || !strings.Contains(told, "server_test.go") {
		t.Errorf("told %q", told)
	}
	for _, version := range []string{"1.0", "1.1"} {
		conn = s.dial(t)
		conn.say("GET /begun HTTP/" + version + "\r\n\r\n")
		if a, err := conn.next("GET"); err == nil {
			t.Errorf("%s: a broken answer is taken for whole: %q", version, a.body)
		}
	}
	if a := s.dial(t).ask(get("/fine")); a.StatusCode != 200 {
		t.Error("the server does not live")
	}
}

func TestTags(t *testing.T) {
	count := 0
	s := start(t, &Server{
		Accepted: func() any { count++; return count },
		Handler:  func(x *Exchange) { _ = x.Reply(200, nil, fmt.Append(nil, x.Tag)) },
	})
	for n := range 3 {
		conn := s.dial(t)
		for range 2 {
			if a := conn.ask(get("/")); a.body != fmt.Sprint(n+1) {
				t.Errorf("connection %d has tag %s", n+1, a.body)
			}
		}
	}
}

func TestPasses(t *testing.T) {
	for err, expected := range map[error]bool{
		syscall.EMFILE: true, syscall.ENFILE: true, syscall.ENOBUFS: true, syscall.ENOMEM: true,
		syscall.ECONNABORTED: true, syscall.EINTR: true,
		syscall.EBADF: false, syscall.EINVAL: false, syscall.ENOTSOCK: false, net.ErrClosed: false, io.EOF: false,
	} {
		wrapped := &net.OpError{Op: "accept", Err: os.NewSyscallError("accept4", err)}
		if passes(wrapped) != expected {
			t.Errorf("%v passes: %v", err, !expected)
		}
	}
}

// flaky is a listener that is out of file descriptors a few times.
type flaky struct {
	net.Listener
	left int
}

func (f *flaky) Accept() (net.Conn, error) {
	if f.left--; f.left >= 0 {
		return nil, os.NewSyscallError("accept4", syscall.EMFILE)
	}
	return f.Listener.Accept()
}

func TestServeOutlastsWantOfDescriptors(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &Server{Handler: echo, HeadPatience: patience}
	defer server.Close()
	go func() { _ = server.Serve(&flaky{listener, 3}) }()
	s := &testServer{Server: server, addr: listener.Addr().String()}
	if a := s.dial(t).ask(get("/a")); a.StatusCode != 200 {
		t.Errorf("the answer is %d", a.StatusCode)
	}
}

func TestServeEndsWithItsListener(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = listener.Close()
	if err := (&Server{Handler: echo}).Serve(listener); err == nil || errors.Is(err, ErrClosed) {
		t.Errorf("the error is %v", err)
	}
}

// TestNothingIsLeft opens a thousand connections that end in several ways.
func TestNothingIsLeft(t *testing.T) {
	s := serve(t, func(x *Exchange) {
		if x.Path == "/later" {
			x.Defer(func() {})
			return
		}
		echo(x)
	})
	before, files := runtime.NumGoroutine(), openFiles(t)
	raws := []string{
		"", get("/later"), "GET / HTTP/1.0\r\n\r\n", get("/") + "GET", "POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\nx", "nonsense\r\n\r\n",
	}
	for n := range 1000 {
		conn, err := net.Dial("tcp", s.addr)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.WriteString(conn, raws[n%len(raws)])
		if n%2 == 0 {
			_ = conn.(*net.TCPConn).SetLinger(0)
		}
		_ = conn.Close()
	}
	eventually(t, "the end of all connections", func() bool { return s.open() == 0 })
	eventually(t, "the end of all goroutines", func() bool { return runtime.NumGoroutine() <= before })
	eventually(t, "the closing of all files", func() bool { return openFiles(t) <= files })
}

func openFiles(t *testing.T) int {
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Skip("no /proc here")
	}
	return len(entries)
}
