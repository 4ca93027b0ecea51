package engine

import (
	"sync"
	"syscall"
	"time"

	"imagemill/init/internal/extension"
	"imagemill/init/internal/process"
	"imagemill/init/internal/telemetry"
)

// environment is one execution environment: a runtime and its extensions,
// started when they are needed.
type environment struct {
	Settings
	place *Place
	// tail holds the end of the runtime's output.
	tail process.Tail

	// mu guards runtime for those who do not hold the environment: signals
	// and file changes end a runtime at any time.
	mu      sync.Mutex
	runtime *runtime
	// last is the runtime before this one.
	last   *runtime
	closed bool
	// slow: the last init took longer than the init phase may, and the next
	// one is part of an invocation, as on Lambda.
	slow bool
}

func newEnvironment(settings Settings, place *Place) *environment {
	env := &environment{Settings: settings, place: place}
	if settings.Launch == nil {
		// A runtime of somebody else's may come at any time.
		env.prewarm()
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
		env.slow = env.runtime.tooSlow()
		env.runtime.kill(failureReason)
		env.last, env.runtime = env.runtime, nil
	}
	if env.closed {
		return nil, errClosing
	}
	if env.last != nil {
		env.last.awaitEnd()
		env.last = nil
	}
	env.runtime = env.newRuntime()
	return env.runtime, nil
}

func (env *environment) newRuntime() *runtime {
	rt := newRuntime(env.place.API.Open())
	rt.bus = telemetry.NewBus(env.Debug)
	rt.extensions = env.newRegistry(rt)
	env.place.extensions.Store(rt.extensions)
	limit := env.InitTimeout
	if env.slow {
		rt.inInvoke, limit = true, env.Timeout
	}
	if env.Suspended || env.Launch == nil {
		limit = 0
	}
	go rt.init(env, limit)
	return rt
}

func (env *environment) newRegistry(rt *runtime) *extension.Registry {
	launch := Launch{Address: env.place.Address, Tail: &env.tail, Bus: rt.bus}
	return extension.New(extension.Settings{
		Function:     env.Function,
		Launch:       func(path string) (*process.Child, error) { return env.LaunchExtension(path, launch) },
		Subscribe:    rt.subscribe,
		Subscribed:   func(name string, types []string) { env.tellSubscription(rt, name, types) },
		Unsubscribed: rt.bus.Unsubscribe,
		NewID:        env.NewID,
	})
}

// drop ends a runtime that is of no more use.
func (env *environment) drop(rt *runtime, reason string) {
	rt.kill(reason)
	env.mu.Lock()
	if env.runtime == rt {
		env.slow = rt.tooSlow()
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

// Why an environment ends, in the words that extensions are told.
const (
	spindownReason = "spindown"
	timeoutReason  = "timeout"
	failureReason  = "failure"
)

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
	if child := rt.process(); child != nil && patience > 0 {
		child.Signal(syscall.SIGTERM)
		timer := time.NewTimer(patience)
		defer timer.Stop()
		select {
		case <-child.Done():
		case <-timer.C:
		}
	}
	env.mu.Lock()
	rt.condemn()
	env.mu.Unlock()
	if patience > 0 {
		rt.bus.Flush(time.Now().Add(patience))
	}
	rt.kill(spindownReason)
	if rt.extensions.Any() {
		rt.awaitEnd()
	}
}

// serve runs one invocation to its end.
func (env *environment) serve(inv *Invocation, early func(*Outcome)) *Outcome {
	if inv.Tail {
		env.tail.Begin()
	}
	a := &attempt{env: env, inv: inv, began: time.Now()}
	out := a.run()
	duration := time.Since(a.began)
	if !env.Suspended {
		duration = min(duration, env.Timeout)
	}
	if a.fatal != "" && a.rt != nil {
		// Before the answer: the caller may be sure that it has stopped.
		a.rt.peakMemory(env.Timeout)
		env.drop(a.rt, a.fatal)
	}
	if inv.Tail {
		a.drain()
		out.setTail(env.tail.End())
	}
	if early != nil {
		early(out)
	}
	a.awaitExtensions()
	a.report(out, duration)
	env.Debug("invocation %s: outcome %d, %d bytes", inv.RequestID, out.Kind, len(out.Body))
	return out
}
