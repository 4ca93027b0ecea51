package wire

import (
	"context"
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// ErrClosed is what Serve returns after Shutdown or Close.
var ErrClosed = errors.New("the server is closed")

// Server answers what comes to a listener, each connection in a goroutine of
// its own.
type Server struct {
	// Handler answers one request: with Reply or Begin, or later, after Defer.
	Handler func(*Exchange)
	// Accepted, unless nil, gives every new connection the value that its
	// exchanges carry as their Tag.
	Accepted func() any
	// HeadPatience is how long a head that has begun may take to arrive, and
	// a body that nobody reads to be discarded; 0 is no limit.
	HeadPatience time.Duration
	// Date adds the time to every answer.
	Date bool
	// Debug, unless nil, gets a line for those who look for a fault.
	Debug func(format string, args ...any)

	draining atomic.Bool

	mu       sync.Mutex
	closed   bool
	listener net.Listener
	conns    map[*conn]struct{}
}

const (
	firstPause = 5 * time.Millisecond
	lastPause  = time.Second
)

// Serve answers until the server is closed. A machine that is out of file
// descriptors is waited for.
func (s *Server) Serve(listener net.Listener) error {
	if !s.open(listener) {
		_ = listener.Close()
		return ErrClosed
	}
	pause := firstPause
	for {
		netConn, err := listener.Accept()
		switch {
		case err == nil:
			pause = firstPause
			s.start(netConn)
		case s.draining.Load():
			return ErrClosed
		case passes(err):
			s.debug("cannot accept a connection: %v", err)
			time.Sleep(pause)
			pause = min(2*pause, lastPause)
		default:
			return err
		}
	}
}

// passes is whether accepting can work again later.
func passes(err error) bool {
	for _, passing := range []syscall.Errno{
		syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM, syscall.ECONNABORTED, syscall.EINTR,
	} {
		if errors.Is(err, passing) {
			return true
		}
	}
	return false
}

func (s *Server) open(listener net.Listener) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || s.draining.Load() {
		return false
	}
	s.listener, s.conns = listener, map[*conn]struct{}{}
	return true
}

func (s *Server) start(netConn net.Conn) {
	c := &conn{server: s, net: netConn, in: newInput(netConn)}
	if s.Accepted != nil {
		c.tag = s.Accepted()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || s.draining.Load() {
		_ = netConn.Close()
		return
	}
	s.conns[c] = struct{}{}
	go c.run()
}

func (s *Server) forget(c *conn) {
	_ = c.net.Close()
	s.mu.Lock()
	delete(s.conns, c)
	s.mu.Unlock()
}

// Shutdown takes no more requests, and waits until those that are being
// answered are, or ctx ends. Deferred ones it leaves to Close.
func (s *Server) Shutdown(ctx context.Context) {
	s.draining.Store(true)
	s.mu.Lock()
	if s.listener != nil {
		_ = s.listener.Close()
	}
	s.mu.Unlock()
	for pause := time.Millisecond; s.sendIdleAway(); pause = min(2*pause, 20*time.Millisecond) {
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return
		}
	}
}

// sendIdleAway closes the connections that nobody uses; active is whether any
// is still being answered.
func (s *Server) sendIdleAway() (active bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.conns {
		if c.state.CompareAndSwap(idle, over) {
			_ = c.net.Close()
		} else if c.state.Load() == busy {
			active = true
		}
	}
	return active
}

// Close ends the server and every connection at once.
func (s *Server) Close() {
	s.draining.Store(true)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	if s.listener != nil {
		_ = s.listener.Close()
	}
	for c := range s.conns {
		_ = c.net.Close()
	}
}

func (s *Server) debug(format string, args ...any) {
	if s.Debug != nil {
		s.Debug(format, args...)
	}
}
