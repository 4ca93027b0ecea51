package app

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"time"

	"imagemill/init/internal/config"
	"imagemill/init/internal/engine"
	"imagemill/init/internal/httpfront"
	"imagemill/init/internal/invokeapi"
	"imagemill/init/internal/platformlog"
	"imagemill/init/internal/process"
	"imagemill/init/internal/watch"
)

// terminateGrace is what a runtime gets between SIGTERM and SIGKILL.
const terminateGrace = 300 * time.Millisecond

// serve answers calls until a signal ends it.
func (p *program) serve() int {
	open, err := p.open()
	if err != nil {
		p.complain("%v", err)
		return exitFailure
	}
	changes, stopWatching, err := p.watch()
	if err != nil {
		p.complain("%v", errors.Join(err, open.close()))
		return exitFailure
	}
	defer stopWatching()
	supervisor := process.NewSupervisor(p.fx.Init)
	defer supervisor.Close()
	srv := newServers(p)
	defer srv.close()
	place := p.newPlace(open.runtimeAddress())
	eng := p.newEngine(place, supervisor, srv)
	p.start(open, place, eng, srv)
	if !p.cfg.NoBootstrap {
		eng.Prewarm()
	}
	p.sayReady(open)
	return p.loop(eng, srv, changes)
}

// listeners are those that are open; nil for the others.
type listeners struct{ api, runtime, rie, http net.Listener }

func (p *program) open() (listeners, error) {
	var open listeners
	for _, want := range []struct {
		address  config.Address
		listener *net.Listener
		optional bool
	}{
		{p.cfg.Addresses.API, &open.api, false},
		{p.cfg.Addresses.Runtime, &open.runtime, false},
		{p.cfg.Addresses.HTTP, &open.http, false},
		// docker-lambda's callers do not need it.
		{p.cfg.Addresses.RIE, &open.rie, p.cfg.Mode != config.RIE},
	} {
		if want.address.Listen == "" {
			continue
		}
		listener, err := listen(want.address)
		switch {
		case err == nil:
			*want.listener = listener
		case want.optional:
			p.complain("Warning: %v", err)
		default:
			return open, errors.Join(err, open.close())
		}
	}
	return open, nil
}

func (l listeners) close() error {
	var errs []error
	for _, listener := range []net.Listener{l.api, l.runtime, l.rie, l.http} {
		if listener != nil {
			errs = append(errs, listener.Close())
		}
	}
	return errors.Join(errs...)
}

// runtimeAddress is where the runtime finds the Runtime API.
func (l listeners) runtimeAddress() string {
	if l.runtime != nil {
		return localAddress(l.runtime)
	}
	return localAddress(l.api)
}

func (p *program) start(open listeners, place *engine.Place, eng *engine.Engine, srv *servers) {
	if open.runtime != nil {
		srv.servePlace(open.runtime, place)
	}
	if open.api != nil {
		handler := p.invokeHandler(eng, invokeapi.DockerLambda)
		if open.runtime == nil {
			srv.serveBoth(open.api, place, handler.Serve)
		} else {
			srv.serveCallers(open.api, handler.Serve)
		}
	}
	if open.rie != nil {
		srv.serveCallers(open.rie, p.invokeHandler(eng, invokeapi.Emulator).Serve)
	}
	if open.http != nil {
		srv.serveCallers(open.http, p.httpFront(eng, open.http).Serve)
	}
}

func (p *program) invokeHandler(eng *engine.Engine, dialect invokeapi.Dialect) *invokeapi.Handler {
	f := p.cfg.Function
	return &invokeapi.Handler{
		Dialect: dialect,
		Function: invokeapi.Function{
			Version:         f.Version,
			TraceID:         f.TraceID,
			ClientContext:   f.ClientContext,
			CognitoIdentity: f.CognitoIdentity,
		},
		Invoker:    eng,
		MaxRequest: p.cfg.Limits.MaxRequest,
		MaxEvent:   p.cfg.Limits.MaxEvent,
		NewID:      p.newRequestID,
		CallersID:  p.cfg.CallersID,
		Debug:      p.debug,
	}
}

func (p *program) httpFront(eng *engine.Engine, listener net.Listener) *httpfront.Front {
	return &httpfront.Front{
		Settings:  &p.cfg.HTTP.Settings,
		Streaming: p.cfg.HTTP.Streaming,
		Port:      portOf(listener),
		TraceID:   p.cfg.Function.TraceID,
		Invoker:   eng,
		NewID:     p.newRequestID,
		Log:       p.complain,
	}
}

// sayReady writes the lines that callers of either contract wait for.
func (p *program) sayReady(open listeners) {
	listening := Listening{Runtime: open.runtimeAddress()}
	if open.api != nil {
		listening.API = localAddress(open.api)
		p.log.Line("Lambda API listening on port " + portOf(open.api) + "...")
	}
	if open.rie != nil {
		listening.RIE = localAddress(open.rie)
		if !p.cfg.Log.Quiet {
			p.sayEmulatorReady()
		}
	}
	if open.http != nil {
		listening.HTTP = localAddress(open.http)
		p.log.Line("HTTP requests become " + p.cfg.HTTP.Settings.Kind.String() + " events on port " + portOf(open.http) + "...")
	}
	p.announce(listening)
}

func portOf(l net.Listener) string {
	_, port, _ := net.SplitHostPort(l.Addr().String())
	return port
}

func (p *program) sayEmulatorReady() {
	dir := p.cfg.Bootstrap.Dir
	if dir == "" {
		// Only for the line; an unknown directory stays empty.
		dir, _ = os.Getwd()
	}
	command := p.cfg.Bootstrap.Candidates[0]
	if path, err := p.findBootstrap(); err == nil && p.cfg.Mode != config.RIE {
		command = path
	}
	_, _ = io.WriteString(p.fx.Stderr,
		platformlog.Readiness(time.Now(), command, dir, p.cfg.Log.ReadinessHandler))
}

// watch watches the function's files, if asked to. docker-lambda ends when it
// cannot; the emulator's callers can do without.
func (p *program) watch() (changes <-chan struct{}, stop func(), err error) {
	if len(p.cfg.Watch) == 0 {
		return nil, func() {}, nil
	}
	watcher, err := watch.New(watch.Options{Poll: watch.AlwaysIf(p.cfg.WatchPoll)}, p.cfg.Watch...)
	if err != nil && p.cfg.Mode == config.RIE {
		p.complain("Warning: %v", err)
		return nil, func() {}, nil
	}
	if err != nil {
		return nil, nil, err
	}
	return watcher.Changes, watcher.Close, nil
}

// restart replaces the runtime; false when that is for somebody else to do.
func (p *program) restart(eng *engine.Engine, why string) bool {
	if !p.cfg.NoBootstrap {
		// Before the line, so that whoever reads it gets the new one.
		eng.Restart()
	}
	p.log.Line(why + ", restarting bootstrap...")
	return !p.cfg.NoBootstrap
}

// loop acts on signals and changes until one of them ends the program.
func (p *program) loop(eng *engine.Engine, srv *servers, changes <-chan struct{}) int {
	for {
		select {
		case err := <-srv.failed:
			p.complain("The program can no longer listen: %v", err)
			p.stop(eng, srv, 0)
			return exitFailure
		case <-changes:
			if !p.restart(eng, "Handler/layer file changed") {
				return exitUsage
			}
		case sig := <-p.fx.Signals:
			switch sig {
			case syscall.SIGHUP:
				if !p.restart(eng, "SIGHUP received") {
					return exitUsage
				}
			case syscall.SIGTERM:
				p.stop(eng, srv, stopGrace)
				return exitOK
			default:
				p.stop(eng, srv, 0)
				return exitOK
			}
		}
	}
}

// stop ends everything: it takes no more calls, lets the running ones end
// within grace, and then ends the runtime.
func (p *program) stop(eng *engine.Engine, srv *servers, grace time.Duration) {
	ctx, cancel := context.WithTimeout(context.Background(), grace+terminateGrace+killedAnswer)
	defer cancel()
	answersOut := srv.stopCalls(ctx)
	if grace == 0 {
		eng.Close(0)
	} else {
		running, stopWaiting := context.WithTimeout(ctx, grace)
		eng.Settle(running)
		stopWaiting()
		eng.Close(terminateGrace)
	}
	<-answersOut
}
