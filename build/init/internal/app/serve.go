package app

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"
	"time"

	"imagemill/init/internal/config"
	"imagemill/init/internal/engine"
	"imagemill/init/internal/invokeapi"
	"imagemill/init/internal/platformlog"
	"imagemill/init/internal/process"
	"imagemill/init/internal/runtimeapi"
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
	api := p.runtimeServer()
	supervisor := process.NewSupervisor(p.fx.Init)
	defer supervisor.Close()
	eng := p.newEngine(api, supervisor, open.runtimeAddress())
	srv := p.start(open, api, eng)
	defer srv.close()
	if !p.cfg.NoBootstrap {
		eng.Prewarm()
	}
	p.sayReady(open)
	return p.loop(eng, srv, changes)
}

// listeners are those that are open; nil for the others.
type listeners struct{ api, runtime, rie net.Listener }

func (p *program) open() (listeners, error) {
	var open listeners
	var err error
	a := p.cfg.Addresses
	if a.API.Listen != "" {
		if open.api, err = listen(a.API); err != nil {
			return open, err
		}
	}
	if a.Runtime.Listen != "" {
		if open.runtime, err = listen(a.Runtime); err != nil {
			return open, errors.Join(err, open.close())
		}
	}
	if a.RIE.Listen != "" {
		open.rie, err = listen(a.RIE)
		if err != nil && p.cfg.Mode == config.RIE {
			return open, errors.Join(err, open.close())
		}
		if err != nil {
			// docker-lambda's callers do not need it.
			p.complain("Warning: %v", err)
			open.rie = nil
		}
	}
	return open, nil
}

func (l listeners) close() error {
	var errs []error
	for _, listener := range []net.Listener{l.api, l.runtime, l.rie} {
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

func (p *program) start(open listeners, api *runtimeapi.Server, eng *engine.Engine) *servers {
	srv := p.newServers(api)
	if open.runtime != nil {
		srv.serve(open.runtime, api)
	}
	if open.api != nil {
		var handler http.Handler = p.invokeHandler(eng, invokeapi.DockerLambda)
		if open.runtime == nil {
			handler = both(api, handler)
		}
		srv.serve(open.api, handler)
	}
	if open.rie != nil {
		srv.serve(open.rie, p.invokeHandler(eng, invokeapi.Emulator))
	}
	return srv
}

// both serves the Runtime API and the Invoke API on one port.
func both(runtime, invoke http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, runtimeapi.Prefix) && r.Method != http.MethodOptions {
			runtime.ServeHTTP(w, r)
			return
		}
		invoke.ServeHTTP(w, r)
	})
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
		MaxRequest: p.cfg.MaxRequest,
		NewID:      p.newRequestID,
		Debug:      p.debug,
	}
}

// sayReady writes the lines that callers of either contract wait for.
func (p *program) sayReady(open listeners) {
	listening := Listening{Runtime: open.runtimeAddress()}
	if open.api != nil {
		listening.API = localAddress(open.api)
		_, port, _ := strings.Cut(listening.API, ":")
		p.log.Line("Lambda API listening on port " + port + "...")
	}
	if open.rie != nil {
		listening.RIE = localAddress(open.rie)
		if !p.cfg.Log.Quiet {
			p.sayEmulatorReady()
		}
	}
	p.announce(listening)
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
	watcher, err := watch.New(p.cfg.Watch...)
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
	answersOut := srv.shutdown(ctx)
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
