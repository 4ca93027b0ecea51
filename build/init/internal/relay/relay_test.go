package relay

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"imagemill/init/internal/wire"
	"imagemill/init/internal/wiretest"
)

var text = wire.Header{{Name: "Content-Type", Value: "text/plain"}}

func TestPiecesComeInOrder(t *testing.T) {
	s := wiretest.Handle(t, func(x *wire.Exchange) {
		r := New(x)
		r.Write([]byte("before the head, so nowhere"))
		r.Begin(201, text)
		r.Begin(500, nil)
		if !r.Begun() {
			t.Error("it has not begun")
		}
		for n := range 100 {
			r.Write([]byte(fmt.Sprint(n, ",")))
		}
		if err := r.End([]byte("end"), true); err != nil {
			t.Errorf("the end: %v", err)
		}
	})
	found := s.Call("GET", "/", "")
	if found.Code != 201 || found.Header.Get("Content-Type") != "text/plain" {
		t.Errorf("expected 201 and text/plain, found %d and %v", found.Code, found.Header)
	}
	if !strings.HasPrefix(found.Body, "0,1,2,") || !strings.HasSuffix(found.Body, "98,99,end") {
		t.Errorf("found %q", found.Body)
	}
}

func TestEndBeforeTheHead(t *testing.T) {
	s := wiretest.Handle(t, func(x *wire.Exchange) {
		r := New(x)
		if err := r.End(nil, true); err == nil || r.Begun() {
			t.Error("an answer that has not begun has ended")
		}
		r.Begin(200, nil)
		if r.Begun() {
			t.Error("it has begun after its end")
		}
		_ = x.Reply(204, nil, nil)
	})
	if found := s.Call("GET", "/", ""); found.Code != 204 {
		t.Errorf("found %d", found.Code)
	}
}

// TestBrokenOff: whoever reads an answer that broke off cannot take it for
// whole, and what comes after its end goes nowhere.
func TestBrokenOff(t *testing.T) {
	s := wiretest.Handle(t, func(x *wire.Exchange) {
		r := New(x)
		r.Begin(200, text)
		r.Write([]byte("half"))
		if err := r.End([]byte("lost"), false); err == nil {
			t.Error("it has ended as whole")
		}
		r.Write([]byte("late"))
		if err := r.End(nil, true); err == nil {
			t.Error("it has ended twice")
		}
	})
	res, err := s.Client.Get(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	if err == nil || string(body) != "half" {
		t.Errorf("expected half and an error, found %q and %v", body, err)
	}
}

// unread calls s and reads nothing of the answer but its head.
func unread(t *testing.T, s *wiretest.Server) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(s.URL, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if _, err := io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	res, err := http.ReadResponse(bufio.NewReaderSize(conn, 16), nil)
	if err != nil {
		t.Fatal(err)
	}
	_ = res
	return conn
}

// TestEndHurriesAWriteThatWaits: the invocation is over, and its caller reads
// nothing; the end comes all the same.
func TestEndHurriesAWriteThatWaits(t *testing.T) {
	var written atomic.Int64
	ended := make(chan time.Duration, 1)
	s := wiretest.Handle(t, func(x *wire.Exchange) {
		r := New(x)
		r.Begin(200, text)
		stop := make(chan struct{})
		done := make(chan struct{})
		go func() {
			defer close(done)
			for piece := make([]byte, 1<<20); ; written.Add(1) {
				select {
				case <-stop:
					return
				default:
					r.Write(piece)
				}
			}
		}()
		for before := int64(-1); before != written.Load(); time.Sleep(100 * time.Millisecond) {
			before = written.Load()
		}
		start := time.Now()
		if err := r.End(nil, true); err == nil {
			t.Error("it has ended as whole")
		}
		ended <- time.Since(start)
		close(stop)
		<-done
	})
	unread(t, s)
	select {
	case took := <-ended:
		if took > lastTimeout+2*time.Second {
			t.Errorf("the end took %v", took)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("there is no end")
	}
}

// TestCallerHasGone: the function is not kept from its work.
func TestCallerHasGone(t *testing.T) {
	gone := make(chan struct{})
	ended := make(chan error, 1)
	s := wiretest.Handle(t, func(x *wire.Exchange) {
		r := New(x)
		r.Begin(200, text)
		r.Write([]byte("first"))
		<-gone
		for range 100 {
			r.Write(make([]byte, 1<<20))
		}
		ended <- r.End(nil, true)
	})
	conn := unread(t, s)
	_ = conn.Close()
	close(gone)
	select {
	case err := <-ended:
		if err == nil {
			t.Error("an answer that nobody took has ended as whole")
		}
	case <-time.After(10 * time.Second):
		t.Fatal("the function waits for a caller that has gone")
	}
}
