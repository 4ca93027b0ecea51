package wire

import (
	"context"
	"errors"
	"io"
	"net"
	"testing"
)

// shuttable is a server whose requests run until they are told to go on, or
// are answered later.
type shuttable struct {
	*testServer
	running chan bool
	goOn    chan bool
	later   chan *Exchange
	gone    chan bool
}

func newShuttable(t *testing.T) *shuttable {
	s := &shuttable{
		running: make(chan bool),
		goOn:    make(chan bool),
		later:   make(chan *Exchange, 8),
		gone:    make(chan bool, 8),
	}
	s.testServer = serve(t, func(x *Exchange) {
		switch x.Path {
		case "/running":
			s.running <- true
			<-s.goOn
			_ = x.Reply(200, nil, []byte("done"))
		case "/later":
			x.Defer(func() { s.gone <- true })
			s.later <- x
		default:
			echo(x)
		}
	})
	return s
}

func (s *shuttable) isOver(t *testing.T) {
	t.Helper()
	if err := <-s.served; !errors.Is(err, ErrClosed) {
		t.Errorf("Serve returned %v", err)
	}
	if conn, err := net.Dial("tcp", s.addr); err == nil {
		_ = conn.Close()
		t.Error("a new connection was taken")
	}
}

func TestShutdown(t *testing.T) {
	s := newShuttable(t)
	fresh, idle, answered := s.dial(t), s.dial(t), s.dial(t)
	running, deferred := s.dial(t), s.dial(t)
	idle.ask(get("/"))
	// One that was answered later is idle as any other.
	answered.say(get("/later"))
	_ = (<-s.later).Reply(200, nil, nil)
	answered.must("GET")
	running.say(get("/running") + get("/next"))
	<-s.running
	deferred.say(get("/later"))
	x := <-s.later
	eventually(t, "the taking of all connections", func() bool { return s.open() == 5 })

	over := make(chan bool)
	go func() {
		s.shutdown(t)
		over <- true
	}()
	for name, conn := range map[string]*peer{"fresh": fresh, "idle": idle, "answered": answered} {
		if !conn.ended() {
			t.Errorf("the %s connection has not been closed", name)
		}
	}
	select {
	case <-over:
		t.Fatal("Shutdown did not wait for the request that is running")
	default:
	}
	s.goOn <- true
	if a := running.must("GET"); a.body != "done" || !a.Close {
		t.Errorf("the running request got %q, close %v", a.body, a.Close)
	}
	if !running.ended() {
		t.Error("the next request was answered")
	}
	_ = running.Close()
	<-over
	s.isOver(t)

	if err := x.Reply(200, nil, []byte("late")); err != nil {
		t.Error(err)
	}
	if a := deferred.must("GET"); a.body != "late" || !a.Close || !deferred.ended() {
		t.Errorf("the deferred request got %q, close %v", a.body, a.Close)
	}
	_ = deferred.Close()
	eventually(t, "the end of all connections", func() bool { return s.open() == 0 })
	if len(s.gone) > 0 {
		t.Error("a caller is said to be gone")
	}
}

// TestShutdownLeavesTheLingering has a caller that keeps a connection whose
// last answer it has had.
func TestShutdownLeavesTheLingering(t *testing.T) {
	s := serve(t, echo)
	conn := s.dial(t)
	conn.ask("GET / HTTP/1.0\r\n\r\n")
	if !conn.ended() {
		t.Error("the connection has not been closed")
	}
	if s.sendIdleAway() {
		t.Error("it would be waited for")
	}
}

// TestAcceptedTooLate has a connection that was accepted while the server shut
// down.
func TestAcceptedTooLate(t *testing.T) {
	s := newShuttable(t)
	s.dial(t).ask(get("/"))
	s.shutdown(t)
	mine, other := net.Pipe()
	s.start(mine)
	if _, err := other.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("it was kept: %v", err)
	}
}

// TestShutdownGivesUp has a request that runs longer than anybody waits.
func TestShutdownGivesUp(t *testing.T) {
	s := newShuttable(t)
	conn := s.dial(t)
	conn.say(get("/running"))
	<-s.running
	ctx, cancel := context.WithCancel(t.Context())
	over := make(chan bool)
	go func() {
		s.Shutdown(ctx)
		over <- true
	}()
	cancel()
	<-over
	s.goOn <- true
	if a := conn.must("GET"); a.body != "done" {
		t.Errorf("the answer is %q", a.body)
	}
	s.shutdown(t)
	s.isOver(t)
}

func TestClose(t *testing.T) {
	s := newShuttable(t)
	idle, running, deferred := s.dial(t), s.dial(t), s.dial(t)
	running.say(get("/running"))
	<-s.running
	deferred.say(get("/later"))
	x := <-s.later
	eventually(t, "the taking of all connections", func() bool { return s.open() == 3 })
	s.Close()
	s.Close()
	for name, conn := range map[string]*peer{"idle": idle, "running": running, "deferred": deferred} {
		if extra, _ := io.ReadAll(conn.r); len(extra) > 0 {
			t.Errorf("the %s connection got %q", name, extra)
		}
	}
	<-s.gone
	if err := x.Reply(200, nil, nil); !errors.Is(err, ErrGone) {
		t.Errorf("a late answer: %v", err)
	}
	s.goOn <- true
	eventually(t, "the end of all connections", func() bool { return s.open() == 0 })
	s.shutdown(t)
	s.isOver(t)
}

// TestClosedBeforeItServes closes servers that have not begun.
func TestClosedBeforeItServes(t *testing.T) {
	for name, end := range map[string]func(*Server){
		"close":    (*Server).Close,
		"shutdown": func(s *Server) { s.Shutdown(t.Context()) },
	} {
		t.Run(name, func(t *testing.T) {
			listener, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			server := &Server{Handler: echo}
			end(server)
			if err := server.Serve(listener); !errors.Is(err, ErrClosed) {
				t.Errorf("the error is %v", err)
			}
			if _, err := listener.Accept(); !errors.Is(err, net.ErrClosed) {
				t.Errorf("the listener: %v", err)
			}
		})
	}
}

// TestShutdownUnderLoad shuts down while callers come and go.
func TestShutdownUnderLoad(t *testing.T) {
	for range 50 {
		s := serve(t, echo)
		over := make(chan bool)
		for range 4 {
			go func() {
				defer func() { over <- true }()
				conn := s.dial(t)
				defer conn.Close()
				for {
					conn.say(get("/a"))
					a, err := conn.next("GET")
					if err != nil {
						return
					}
					if a.body != "/a " {
						t.Errorf("the answer is %q", a.body)
					}
				}
			}()
		}
		eventually(t, "the taking of all connections", func() bool { return s.open() == 4 })
		s.shutdown(t)
		for range 4 {
			<-over
		}
		eventually(t, "the end of all connections", func() bool { return s.open() == 0 })
	}
}
