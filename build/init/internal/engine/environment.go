package engine

import (
	"sync"
	"syscall"
	"time"

	"imagemill/init/internal/process"
	"imagemill/init/internal/runtimeapi"
)

// environment is one execution environment: a runtime, started when it is
// needed, that serves one invocation at a time.
type environment struct {
	Settings
	api *runtimeapi.Server
	// tail holds the end of the runtime's output.
	tail process.Tail

	// mu guards runtime for those who do not hold the environment: signals
	// and file changes end a runtime at any time.
	mu      sync.Mutex
	runtime *runtime
	// last is the runtime before this one.
	last   *runtime
	closed bool
}

func newEnvironment(settings Settings, api *runtimeapi.Server) *environment {
	env := &environment{Settings: settings, api: api}
	if settings.Launch == nil {
		// A runtime of somebody else's may come at any time.
		env.runtime = newRuntime(nil)
		api.Attach(env.runtime.session)
	}
	return env
}

// prewarm starts the runtime if there is none. What goes wrong is for the
// next invocation to find out, and to tell.
func (env *environment) prewarm() {
	if _, err := env.ensureRuntime(); err != nil {
		env.Debug("the runtime could not be started: %v", err)
	}
}

// ensureRuntime returns the living runtime, or a new one.
func (env *environment) ensureRuntime() (*runtime, error) {
	env.mu.Lock()
	defer env.mu.Unlock()
	if env.runtime != nil && !env.runtime.dead() {
		return env.runtime, nil
	}
	if env.runtime != nil {
		env.runtime.kill()
		env.last, env.runtime = env.runtime, nil
	}
	if env.closed {
		return nil, errClosing
	}
	if env.last != nil {
		env.last.awaitEnd()
		env.last = nil
	}
	fresh := newRuntime(nil)
	// The runtime may ask before Launch has returned.
	env.api.Attach(fresh.session)
	if env.Launch != nil {
		child, err := env.Launch(&env.tail)
		if err != nil {
			fresh.session.Close()
			return nil, err
		}
		fresh.adopt(child)
		env.Debug("runtime %d started", child.PID())
	}
	env.runtime = fresh
	return fresh, nil
}

// drop ends a runtime that is of no more use.
func (env *environment) drop(rt *runtime) {
	rt.kill()
	env.mu.Lock()
	if env.runtime == rt {
		env.last, env.runtime = rt, nil
	}
	closed := env.closed
	env.mu.Unlock()
	if env.Launch == nil && !closed {
		env.prewarm()
	}
}

// kill ends the runtime, whoever holds the environment.
func (env *environment) kill() {
	env.mu.Lock()
	defer env.mu.Unlock()
	if env.runtime != nil {
		env.runtime.condemn()
	}
}

// terminate ends the runtime for good: with a SIGTERM first if there is
// patience for it.
func (env *environment) terminate(patience time.Duration) {
	env.mu.Lock()
	env.closed = true
	rt := env.runtime
	env.mu.Unlock()
	if rt == nil {
		return
	}
	if rt.child != nil && patience > 0 {
		rt.child.Signal(syscall.SIGTERM)
		timer := time.NewTimer(patience)
		defer timer.Stop()
		select {
		case <-rt.exited:
		case <-timer.C:
		}
	}
	rt.condemn()
	if rt.child == nil {
		rt.session.Close()
	}
}

// serve runs one invocation to its end.
func (env *environment) serve(inv *Invocation, early func(*Outcome)) *Outcome {
	if inv.Tail {
		env.tail.Begin()
	}
	a := &attempt{env: env, inv: inv, began: time.Now()}
	out := a.run()
	duration := min(time.Since(a.began), env.Timeout)
	if a.finished {
		// Before the answer: the caller may be sure that it has stopped.
		a.rt.peakMemory(env.Timeout)
		env.drop(a.rt)
	}
	if inv.Tail {
		a.drain()
		out.setTail(env.tail.End())
	}
	if early != nil {
		early(out)
	}
	a.report(duration)
	env.Debug("invocation %s: outcome %d, %d bytes", inv.RequestID, out.Kind, len(out.Body))
	return out
}
