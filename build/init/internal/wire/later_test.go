package wire

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// deferring is a server that hands out the requests that it is to answer
// later, and counts the callers that have gone.
func deferring(t testing.TB) (s *testServer, later chan *Exchange, gone *atomic.Int32) {
	later, gone = make(chan *Exchange, 64), new(atomic.Int32)
	s = serve(t, func(x *Exchange) {
		if x.Path != "/later" {
			echo(x)
			return
		}
		x.Defer(func() { gone.Add(1) })
		later <- x
	})
	return s, later, gone
}

func TestLaterAnswers(t *testing.T) {
	for _, c := range []struct {
		name, raw string
		status    int
		stays     bool
	}{
		{"1.1", get("/later"), 200, true},
		{"1.1, to be closed", "GET /later HTTP/1.1\r\nConnection: close\r\n\r\n", 200, false},
		{"1.0", "GET /later HTTP/1.0\r\n\r\n", 200, false},
		{"1.0, kept", "GET /later HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", 200, true},
		{"HEAD", "HEAD /later HTTP/1.1\r\n\r\n", 200, true},
		{"an unread body", post("/later", "xyz"), 200, true},
		{"a body that was not asked for", "POST /later HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n", 417, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, later, gone := deferring(t)
			conn := s.dial(t)
			conn.say(c.raw)
			x := <-later
			if err := x.Reply(c.status, nil, []byte("now")); err != nil {
				t.Fatal(err)
			}
			if err := x.Reply(500, nil, nil); !errors.Is(err, ErrGone) {
				t.Errorf("a second answer: %v", err)
			}
			if stream, err := x.Begin(500, nil); stream != nil || !errors.Is(err, ErrGone) {
				t.Errorf("a third answer: %v", err)
			}
			if a := conn.must(strings.Fields(c.raw)[0]); a.StatusCode != c.status || a.Close == c.stays {
				t.Errorf("the answer is %d, close %v", a.StatusCode, a.Close)
			}
			if !c.stays {
				if !conn.ended() {
					t.Error("the connection has not been closed")
				}
			} else if a := conn.ask(get("/next")); a.body != "/next " {
				t.Errorf("then %q", a.body)
			}
			_ = conn.Close()
			eventually(t, "the end of the connection", func() bool { return s.open() == 0 })
			if n := gone.Load(); n != 0 {
				t.Errorf("gone was called %d times", n)
			}
		})
	}
}

func TestHangUp(t *testing.T) {
	for _, c := range []struct {
		name string
		raw  string
		hang func(*peer)
	}{
		{"close", get("/later"), func(p *peer) { _ = p.Close() }},
		{"half", get("/later"), func(p *peer) { p.halfClose() }},
		{"reset", get("/later"), func(p *peer) { _ = p.SetLinger(0); _ = p.Close() }},
		{"with the next request sent", get("/later") + get("/later"), func(p *peer) { _ = p.Close() }},
		{"with half a request sent later", get("/later"), func(p *peer) { p.say("GET"); _ = p.Close() }},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, later, gone := deferring(t)
			conn := s.dial(t)
			conn.say(c.raw)
			x := <-later
			c.hang(conn)
			eventually(t, "the end of the connection", func() bool { return s.open() == 0 })
			if n := gone.Load(); n != 1 {
				t.Errorf("gone was called %d times", n)
			}
			if err := x.Reply(200, nil, nil); !errors.Is(err, ErrGone) {
				t.Errorf("an answer: %v", err)
			}
			if _, err := x.Begin(200, nil); !errors.Is(err, ErrGone) {
				t.Errorf("a stream: %v", err)
			}
			select {
			case <-later:
				t.Error("the next request was served")
			default:
			}
		})
	}
}

// TestReplyOrHangUp lets both come at once: an answer is then given or the
// caller gone, and never both or neither.
func TestReplyOrHangUp(t *testing.T) {
	var gone sync.Map
	later := make(chan *Exchange, 8)
	s := serve(t, func(x *Exchange) {
		x.Defer(func() {
			if _, twice := gone.LoadOrStore(x, true); twice {
				t.Error("gone was called twice")
			}
		})
		later <- x
	})
	const count = 2000
	given := 0
	var answered []*Exchange
	for n := range count {
		conn := s.dial(t)
		conn.say(get("/"))
		x := <-later
		var group sync.WaitGroup
		group.Go(func() {
			_ = conn.Close()
		})
		// A little later each time.
		for began := time.Now(); time.Since(began) < time.Duration(n%50)*4*time.Microsecond; {
			runtime.Gosched()
		}
		if x.Reply(200, nil, nil) == nil {
			given++
			answered = append(answered, x)
		}
		group.Wait()
	}
	eventually(t, "the end of all connections", func() bool { return s.open() == 0 })
	left := 0
	gone.Range(func(any, any) bool { left++; return true })
	for _, x := range answered {
		if _, both := gone.Load(x); both {
			t.Fatal("a caller that had its answer is said to be gone")
		}
	}
	if given+left != count || given == 0 || left == 0 {
		t.Errorf("%d answers were given and %d callers gone, of %d", given, left, count)
	}
}

// TestHandlerIsOvertaken has answers given before the handler has returned, or
// right then: the connection must live on.
func TestHandlerIsOvertaken(t *testing.T) {
	s := serve(t, func(x *Exchange) {
		x.Defer(func() { t.Error("the caller is said to be gone") })
		go func() { _ = x.Reply(200, nil, []byte("a")) }()
	})
	conn := s.dial(t)
	for range 3000 {
		if a := conn.ask(get("/")); a.body != "a" {
			t.Fatalf("the answer is %q", a.body)
		}
	}
	_ = conn.Close()
	eventually(t, "the end of the connection", func() bool { return s.open() == 0 })
}

// TestAnsweredInBetween has the answer come after the handler has returned,
// and before anybody watches the caller.
func TestAnsweredInBetween(t *testing.T) {
	c := &conn{server: &Server{}, net: &script{}}
	c.in = newInput(c.net)
	c.state.Store(busy)
	x := c.exchange(&head{method: "GET", target: "/", minor: '1'})
	x.Defer(func() { t.Error("the caller is said to be gone") })
	x.mu.Lock()
	x.finish()
	x.mu.Unlock()
	if !c.await(x) || c.state.Load() != busy {
		t.Error("the connection does not live on")
	}
}

func TestExpectations(t *testing.T) {
	const head = "POST /%s HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n"
	s := serve(t, func(x *Exchange) {
		switch x.Path {
		case "/refused":
			_ = x.Reply(403, nil, nil)
		case "/limited":
			_, err := x.ReadAll(2, 0)
			_ = x.Reply(413, nil, fmt.Append(nil, err))
		case "/late":
			_ = x.Reply(200, nil, nil)
			if _, err := x.ReadAll(0, 0); !errors.Is(err, ErrGone) {
				t.Errorf("a body after the answer: %v", err)
			}
		default:
			echo(x)
		}
	})
	for _, c := range []struct {
		path   string
		status int
	}{{"refused", 403}, {"limited", 413}, {"late", 200}} {
		t.Run(c.path, func(t *testing.T) {
			conn := s.dial(t)
			if a := conn.ask(fmt.Sprintf(head, c.path)); a.StatusCode != c.status || !a.Close || !conn.ended() {
				t.Errorf("the answer is %d, close %v", a.StatusCode, a.Close)
			}
		})
	}
	conn := s.dial(t)
	for range 2 {
		if a := conn.ask(fmt.Sprintf(head, "read")); a.StatusCode != 100 {
			t.Errorf("told %d instead of to go on", a.StatusCode)
		}
		if a := conn.ask("xyz"); a.body != "/read xyz" {
			t.Errorf("the answer is %q", a.body)
		}
	}
	if a := conn.ask(fmt.Sprintf(head, "hasty") + "xyz"); a.body != "/hasty xyz" {
		t.Errorf("to one who does not wait: %q", a.body)
	}
	if a := conn.ask("POST /old HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\nxyz"); a.body != "/old xyz" {
		t.Errorf("to one who does not know: %q", a.body)
	}
}

func TestReadAllPatience(t *testing.T) {
	s := serve(t, func(x *Exchange) {
		_, err := x.ReadAll(0, 20*time.Millisecond)
		var timeout interface{ Timeout() bool }
		if !errors.As(err, &timeout) || !timeout.Timeout() {
			t.Errorf("the error is %v", err)
		}
		_ = x.Reply(408, nil, nil)
	})
	conn := s.dial(t)
	if a := conn.ask("POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\nx"); a.StatusCode != 408 || !a.Close || !conn.ended() {
		t.Errorf("the answer is %d, close %v", a.StatusCode, a.Close)
	}
}

// TestSlowReader has a caller that takes nothing of a large answer.
func TestSlowReader(t *testing.T) {
	large := bytes.Repeat([]byte("x"), 32<<20)
	for name, give := range map[string]func(*Exchange) error{
		"reply": func(x *Exchange) error { return x.ReplyWithin(20*time.Millisecond, 200, nil, large) },
		"stream": func(x *Exchange) error {
			stream, err := x.Begin(200, nil)
			if err != nil {
				return err
			}
			defer stream.Break()
			return stream.Write(large, 20*time.Millisecond)
		},
		"hurried stream": func(x *Exchange) error {
			stream, err := x.Begin(200, nil)
			if err != nil {
				return err
			}
			time.AfterFunc(20*time.Millisecond, func() { stream.Hurry(time.Millisecond) })
			return stream.Write(large, patience)
		},
	} {
		for _, later := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, later %v", name, later), func(t *testing.T) {
				result := make(chan error, 1)
				s := serve(t, func(x *Exchange) {
					if later {
						x.Defer(func() { t.Error("the caller is said to be gone") })
						go func() { result <- give(x) }()
						return
					}
					result <- give(x)
				})
				conn := s.dial(t)
				conn.say(get("/"))
				var timeout interface{ Timeout() bool }
				if err := <-result; !errors.As(err, &timeout) || !timeout.Timeout() {
					t.Errorf("the error is %v", err)
				}
				eventually(t, "the end of the connection", func() bool { return s.open() == 0 })
				res, err := http.ReadResponse(conn.r, nil)
				if err == nil {
					_, err = io.Copy(io.Discard, res.Body)
				}
				if err == nil {
					t.Error("half an answer is taken for whole")
				}
			})
		}
	}
}
