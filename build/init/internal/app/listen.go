package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"sync"
	"time"

	"imagemill/init/internal/config"
	"imagemill/init/internal/runtimeapi"
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
	list        []*http.Server
	failed      chan error
	connContext func(context.Context, net.Conn) context.Context
}

// newServers returns servers whose connections belong to the runtime of their
// time, unless the runtime is somebody else's and can outlive a session.
func (p *program) newServers(api *runtimeapi.Server) *servers {
	s := &servers{failed: make(chan error, 3)}
	if !p.cfg.NoBootstrap {
		s.connContext = api.ConnContext
	}
	return s
}

func (s *servers) serve(listener net.Listener, handler http.Handler) {
	server := &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: headerTimeout,
		ConnContext:       s.connContext,
		// What it would log is each caller's own doing.
		ErrorLog: log.New(io.Discard, "", 0),
	}
	s.list = append(s.list, server)
	go func() {
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			s.failed <- err
		}
	}()
}

// shutdown stops to accept, and returns at once; the channel is closed when
// the last answer is out, or ctx has ended.
func (s *servers) shutdown(ctx context.Context) <-chan struct{} {
	var group sync.WaitGroup
	for _, server := range s.list {
		group.Go(func() {
			if err := server.Shutdown(ctx); err != nil {
				// Late: whoever is still connected is cut off.
				_ = server.Close()
			}
		})
	}
	done := make(chan struct{})
	go func() {
		group.Wait()
		close(done)
	}()
	return done
}

func (s *servers) close() {
	for _, server := range s.list {
		_ = server.Close()
	}
}
