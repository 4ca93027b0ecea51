package wire

import (
	"io"
	"strings"
	"testing"
	"time"
)

func TestPatience(t *testing.T) {
	for _, c := range []struct {
		name string
		say  []string
	}{
		{"a head that does not end", []string{"GET / HTTP/1.1\r\nA: b"}},
		{"empty lines", []string{"\r\n", "\r\n"}},
		{"a body that does not come", []string{"POST /unread HTTP/1.1\r\nContent-Length: 3\r\n\r\na"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := start(t, &Server{HeadPatience: 20 * time.Millisecond, Handler: func(x *Exchange) { _ = x.Reply(200, nil, nil) }})
			conn := s.dial(t)
			began := time.Now()
			for _, text := range c.say {
				conn.say(text)
			}
			_, _ = io.Copy(io.Discard, conn.r)
			conn.Close()
			if waited := time.Since(began); waited < 15*time.Millisecond || waited > patience/2 {
				t.Errorf("it was closed after %v", waited)
			}
			eventually(t, "the end of the connection", func() bool { return s.open() == 0 })
		})
	}
}

// TestNoDeadlineStays waits longer between two requests than any part of the
// first might take.
func TestNoDeadlineStays(t *testing.T) {
	const limit = 60 * time.Millisecond
	later := make(chan *Exchange, 1)
	s := start(t, &Server{HeadPatience: limit, Handler: func(x *Exchange) {
		switch x.Path {
		case "/read":
			_, _ = x.ReadAll(0, limit)
			_ = x.ReplyWithin(limit, 200, nil, nil)
		case "/unread":
			_ = x.ReplyWithin(limit, 200, nil, nil)
		case "/stream":
			stream, _ := x.Begin(200, nil)
			_ = stream.Write([]byte("a"), replyTimeout)
			stream.Hurry(limit)
			_ = stream.End()
		case "/later":
			x.Defer(nil)
			later <- x
		default:
			_, _ = x.ReadAll(0, 0)
			_ = x.Reply(200, nil, []byte("fine"))
		}
	}})
	for name, first := range map[string][]string{
		"a slow head":              {"GET / HT", "TP/1.1\r\n\r\n"},
		"a slow body":              {"POST /read HTTP/1.1\r\nContent-Length: 3\r\n\r\na", "bc"},
		"a slow body nobody reads": {"POST /unread HTTP/1.1\r\nContent-Length: 3\r\n\r\na", "bc"},
		"a stream":                 {get("/stream"), ""},
		"a later answer, with the next request before it": {get("/later") + "GET /", " HTTP/1.1\r\n\r\n"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			conn := s.dial(t)
			conn.say(first[0])
			time.Sleep(time.Millisecond)
			conn.say(first[1])
			if strings.Contains(name, "later") {
				x := <-later
				if err := x.ReplyWithin(limit, 200, nil, nil); err != nil {
					t.Fatal(err)
				}
				conn.must("GET")
			}
			conn.must("GET")
			// Every deadline that was set is over by then.
			time.Sleep(5 * limit / 2)
			conn.say("POST / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n")
			if a := conn.must("GET"); a.StatusCode != 100 {
				t.Errorf("told %d instead of to go on", a.StatusCode)
			}
			conn.say("x")
			if a := conn.must("GET"); a.body != "fine" {
				t.Errorf("then %q", a.body)
			}
			time.Sleep(5 * limit / 2)
			if a := conn.ask(post("/", "xyz")); a.body != "fine" {
				t.Errorf("then %q", a.body)
			}
		})
	}
}
