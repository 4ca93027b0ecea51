package app

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"imagemill/init/internal/config"
	"imagemill/init/internal/engine"
	"imagemill/init/internal/runtimeapi"
	"imagemill/init/internal/wire"
)

// headerTimeout is how long a caller may take over a request's headers.
const headerTimeout = time.Minute

// listen opens an address, or says which one, and what moves it.
func listen(a config.Address) (net.Listener, error) {
	listener, err := net.Listen("tcp", a.Listen)
	if err == nil {
		return listener, nil
	}
	reason := err
	var op *net.OpError
	if errors.As(err, &op) {
		reason = op.Err
	}
	_, port, splitErr := net.SplitHostPort(a.Listen)
	if splitErr != nil {
		port = a.Listen
	}
	return nil, fmt.Errorf("cannot listen on port %s: %w; set %s to choose another", port, reason, a.Setting)
}

// localAddress is how a process in this container reaches a listener.
func localAddress(l net.Listener) string {
	host, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		return l.Addr().String()
	}
	if ip := net.ParseIP(host); ip == nil || ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, port)
}

// servers are the HTTP servers of one run.
type servers struct {
	program *program
	failed  chan error

	mu     sync.Mutex
	list   []*wire.Server
	public []*wire.Server
	closed bool

	// callers are the calls from outside that are being answered.
	callers gate
}

func newServers(p *program) *servers {
	return &servers{program: p, failed: make(chan error, 1), callers: gate{empty: make(chan struct{})}}
}

// serve answers what comes to a listener. place, unless nil, is who else is
// served there: connections then belong to its runtime of their time, unless
// that is somebody else's and can outlive a session.
func (s *servers) serve(listener net.Listener, place *engine.Place, handler func(*wire.Exchange)) *wire.Server {
	server := &wire.Server{
		Handler:      handler,
		HeadPatience: headerTimeout,
		Date:         true,
		Debug:        s.program.debug,
	}
	if place != nil && !s.program.cfg.NoBootstrap {
		server.Accepted = func() any { return place.API.Session() }
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.list = append(s.list, server)
	if s.closed {
		server.Close()
	}
	go func() {
		if err := server.Serve(listener); !errors.Is(err, wire.ErrClosed) {
			select {
			case s.failed <- err:
			default:
			}
		}
	}()
	return server
}

// servePlace serves a runtime and its extensions, and nobody else.
func (s *servers) servePlace(listener net.Listener, place *engine.Place) {
	s.serve(listener, place, func(x *wire.Exchange) {
		if !place.Serve(x) {
			runtimeapi.NotFound(x)
		}
	})
}

// serveCallers serves those who call the function.
func (s *servers) serveCallers(listener net.Listener, handler func(*wire.Exchange)) {
	server := s.serve(listener, nil, func(x *wire.Exchange) { s.callers.pass(x, handler) })
	s.mu.Lock()
	s.public = append(s.public, server)
	s.mu.Unlock()
}

// serveBoth serves callers and the runtime on one port.
func (s *servers) serveBoth(listener net.Listener, place *engine.Place, handler func(*wire.Exchange)) {
	s.serve(listener, place, func(x *wire.Exchange) {
		if x.Method == "OPTIONS" || !place.Serve(x) {
			s.callers.pass(x, handler)
		}
	})
}

// stopCalls takes no more calls; the runtimes are served on. The channel is
// closed when the last answer is out, or ctx has ended.
func (s *servers) stopCalls(ctx context.Context) <-chan struct{} {
	s.callers.close()
	s.mu.Lock()
	public := s.public
	s.mu.Unlock()
	done := make(chan struct{})
	go func() {
		defer close(done)
		var group sync.WaitGroup
		for _, server := range public {
			group.Go(func() { server.Shutdown(ctx) })
		}
		select {
		case <-s.callers.empty:
		case <-ctx.Done():
		}
		group.Wait()
	}()
	return done
}

func (s *servers) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	for _, server := range s.list {
		server.Close()
	}
}

// gate counts the calls that are being answered, until it lets none in any
// more.
type gate struct {
	mu     sync.Mutex
	inside int
	closed bool
	// empty is closed when the gate is closed and nobody is inside.
	empty chan struct{}
}

func (g *gate) pass(x *wire.Exchange, handler func(*wire.Exchange)) {
	g.mu.Lock()
	if g.closed {
		g.mu.Unlock()
		_ = x.Reply(503, wire.Header{{Name: "Content-Type", Value: "application/json"}},
			runtimeapi.ErrorBody("ServiceException", "the emulator is shutting down"))
		return
	}
	g.inside++
	g.mu.Unlock()
	defer g.leave()
	handler(x)
}

func (g *gate) leave() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.inside--
	g.settle()
}

func (g *gate) close() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.closed {
		g.closed = true
		g.settle()
	}
}

func (g *gate) settle() {
	if g.closed && g.inside == 0 {
		close(g.empty)
	}
}
