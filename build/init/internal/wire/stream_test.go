package wire

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"testing"
	"time"
)

func TestStream(t *testing.T) {
	s := serve(t, func(x *Exchange) {
		status := 200
		_, _ = fmt.Sscanf(x.Path, "/%d", &status)
		stream, err := x.Begin(status, Header{{"Content-Type", "text/plain"}, {"Content-Length", "1"}})
		if err != nil {
			t.Error(err)
			return
		}
		for _, piece := range []string{"one ", "", "two ", "three"} {
			if err := stream.Write([]byte(piece), patience); err != nil {
				t.Error(err)
			}
		}
		if err := stream.End(); err != nil {
			t.Error(err)
		}
		// What comes too late must harm nobody.
		if err := stream.Write([]byte("four"), patience); !errors.Is(err, ErrGone) {
			t.Errorf("a piece behind the end: %v", err)
		}
		if err := stream.End(); !errors.Is(err, ErrGone) {
			t.Errorf("a second end: %v", err)
		}
		if err := x.Reply(500, nil, nil); !errors.Is(err, ErrGone) {
			t.Errorf("an answer behind the end: %v", err)
		}
		stream.Hurry(time.Nanosecond)
		stream.Break()
	})
	for _, c := range []struct {
		name, raw, body string
		status          int
		chunked, stays  bool
	}{
		{"1.1", get("/"), "one two three", 200, true, true},
		{"to be closed", "GET / HTTP/1.1\r\nConnection: close\r\n\r\n", "one two three", 200, true, false},
		{"1.0", "GET / HTTP/1.0\r\n\r\n", "one two three", 200, false, false},
		{"1.0, kept", "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", "one two three", 200, false, false},
		{"HEAD", "HEAD / HTTP/1.1\r\n\r\n", "", 200, true, true},
		{"HEAD in 1.0", "HEAD / HTTP/1.0\r\n\r\n", "", 200, false, false},
		{"no content", get("/204"), "", 204, false, true},
		{"not modified", get("/304"), "", 304, false, true},
		{"an interim status", get("/101"), "one two three", 500, true, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			conn := s.dial(t)
			a := conn.ask(c.raw)
			if a.StatusCode != c.status || a.body != c.body || len(a.TransferEncoding) == 1 != c.chunked {
				t.Errorf("the answer is %d %q, encoded %v", a.StatusCode, a.body, a.TransferEncoding)
			}
			if a.Header.Get("Content-Length") != "" {
				t.Error("it has a length")
			}
			if !c.stays {
				if !conn.ended() {
					t.Error("the connection has not been closed")
				}
				return
			}
			if a := conn.ask("HEAD / HTTP/1.1\r\n\r\n"); a.StatusCode != 200 {
				t.Errorf("then %d", a.StatusCode)
			}
		})
	}
}

// TestBreak sees to it that half an answer is never taken for whole, and that
// nothing follows it.
func TestBreak(t *testing.T) {
	for _, version := range []string{"1.0", "1.1"} {
		for _, later := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, later %v", version, later), func(t *testing.T) {
				read := make(chan bool)
				half := func(x *Exchange) {
					stream, err := x.Begin(200, nil)
					if err != nil {
						t.Error(err)
						return
					}
					_ = stream.Write([]byte("half"), patience)
					<-read
					stream.Break()
					stream.Break()
					if err := stream.Write([]byte("more"), patience); !errors.Is(err, ErrGone) {
						t.Errorf("a piece behind the break: %v", err)
					}
					if err := stream.End(); !errors.Is(err, ErrGone) {
						t.Errorf("an end behind the break: %v", err)
					}
				}
				s := serve(t, func(x *Exchange) {
					if later {
						x.Defer(func() { t.Error("the caller is said to be gone") })
						go half(x)
						return
					}
					half(x)
				})
				conn := s.dial(t)
				conn.say("GET / HTTP/" + version + "\r\nConnection: keep-alive\r\n\r\n" + get("/next"))
				head := make([]byte, len("HTTP/1.1 200 OK\r\n"))
				if _, err := io.ReadFull(conn.r, head); err != nil {
					t.Fatal(err)
				}
				read <- true
				rest, err := io.ReadAll(conn.r)
				whole := err == nil && (version == "1.0" || bytes.HasSuffix(rest, []byte("0\r\n\r\n")))
				if whole || bytes.Contains(rest, []byte("HTTP/1.1")) {
					t.Errorf("%q, %v", rest, err)
				}
				eventually(t, "the end of the connection", func() bool { return s.open() == 0 })
			})
		}
	}
}

// TestStreamGoesOn has a handler that returns before its stream has ended: the
// next request waits.
func TestStreamGoesOn(t *testing.T) {
	streams := make(chan *Stream, 1)
	s := serve(t, func(x *Exchange) {
		if x.Path == "/next" {
			echo(x)
			return
		}
		stream, err := x.Begin(200, nil)
		if err != nil {
			t.Error(err)
		}
		streams <- stream
	})
	conn := s.dial(t)
	for range 100 {
		conn.say(get("/"))
		stream := <-streams
		conn.say(get("/next"))
		for _, piece := range []string{"a", "b"} {
			if err := stream.Write([]byte(piece), patience); err != nil {
				t.Fatal(err)
			}
		}
		if err := stream.End(); err != nil {
			t.Fatal(err)
		}
		if a := conn.must("GET"); a.body != "ab" {
			t.Fatalf("the stream is %q", a.body)
		}
		if a := conn.must("GET"); a.body != "/next " {
			t.Fatalf("then %q", a.body)
		}
	}
	conn.say(get("/"))
	stream := <-streams
	_ = conn.Close()
	eventually(t, "the end of the connection", func() bool { return s.open() == 0 })
	if err := stream.Write([]byte("a"), patience); !errors.Is(err, ErrGone) {
		t.Errorf("a piece for a caller that has gone: %v", err)
	}
}

// TestStreamBothWays sends the pieces of a body back as they come.
func TestStreamBothWays(t *testing.T) {
	s := serve(t, func(x *Exchange) {
		stream, err := x.Begin(200, nil)
		if err != nil {
			t.Error(err)
			return
		}
		piece := make([]byte, 100)
		for {
			n, err := x.Read(piece)
			_ = stream.Write(piece[:n], patience)
			if err != nil {
				break
			}
		}
		_ = stream.Write([]byte(x.Trailer().Get("the-end")), patience)
		_ = stream.End()
	})
	conn := s.dial(t)
	conn.say(chunkedHead)
	read := make([]byte, 1)
	for read[0] != '\n' || conn.r.Buffered() > 0 {
		if _, err := conn.r.Read(read); err != nil {
			t.Fatal(err)
		}
	}
	for n := range 50 {
		conn.say(fmt.Sprintf("2\r\n%02d\r\n", n))
		frame := make([]byte, len("2\r\n00\r\n"))
		if _, err := io.ReadFull(conn.r, frame); err != nil || string(frame) != fmt.Sprintf("2\r\n%02d\r\n", n) {
			t.Fatalf("piece %d is %q, %v", n, frame, err)
		}
	}
	conn.say("0\r\nThe-End: over\r\n\r\n")
	frame := make([]byte, len("4\r\nover\r\n0\r\n\r\n"))
	if _, err := io.ReadFull(conn.r, frame); err != nil || string(frame) != "4\r\nover\r\n0\r\n\r\n" {
		t.Errorf("the end is %q, %v", frame, err)
	}
}
