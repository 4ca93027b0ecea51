// Package engine runs invocations: it queues them, keeps the runtime they
// need alive, and sees to it that each of them ends.
package engine

import (
	"context"
	"time"

	"imagemill/init/internal/platformlog"
	"imagemill/init/internal/process"
	"imagemill/init/internal/runtimeapi"
)

// Settings are what the engine needs to know of the function and its runtime.
type Settings struct {
	FunctionARN     string
	FunctionVersion string
	MemorySize      string
	Timeout         time.Duration
	// InitTimeout bounds the init phase.
	InitTimeout time.Duration
	MaxResponse int64
	// Launch starts a runtime, whose output goes through tail; nil when
	// somebody else does.
	Launch func(tail *process.Tail) (*process.Child, error)
	// StartErrorType names an error of Launch for the caller.
	StartErrorType func(error) string
	Log            *platformlog.Logger
	// Debug writes a line for those who look for a fault.
	Debug func(format string, args ...any)
}

// Engine takes invocations, one after the other for each environment.
type Engine struct {
	settings Settings
	pool     *pool
	all      []*environment
}

// New returns an Engine whose one environment talks through api.
func New(settings Settings, api *runtimeapi.Server) *Engine {
	env := newEnvironment(settings, api)
	return &Engine{settings: settings, pool: newPool(env), all: []*environment{env}}
}

// Prewarm starts the runtime before anybody has asked for it.
func (e *Engine) Prewarm() {
	e.pool.enter()
	go func() {
		defer e.pool.leave()
		for range e.all {
			if env := e.pool.acquire(); env != nil {
				env.prewarm()
				e.pool.release(env)
			}
		}
	}()
}

// Invoke runs one invocation to its end. early, unless nil, gets the outcome
// before the log lines are written and the environment is free again.
func (e *Engine) Invoke(inv *Invocation, early func(*Outcome)) *Outcome {
	e.pool.enter()
	defer e.pool.leave()
	env := e.pool.acquire()
	if env == nil {
		out := unavailable(inv.RequestID)
		if early != nil {
			early(out)
		}
		return out
	}
	defer e.pool.release(env)
	return env.serve(inv, early)
}

// InvokeLater runs an invocation that nobody waits for.
func (e *Engine) InvokeLater(inv *Invocation) {
	e.pool.enter()
	go func() {
		defer e.pool.leave()
		out := e.Invoke(inv, nil)
		e.settings.Debug("event %s: %s", inv.RequestID, out.Body)
	}()
}

// Restart kills the runtimes and starts new ones. An invocation that is
// running ends as one whose runtime was killed.
func (e *Engine) Restart() {
	for _, env := range e.all {
		env.kill()
	}
	e.Prewarm()
}

// Settle waits until every invocation has ended, or ctx has.
func (e *Engine) Settle(ctx context.Context) { e.pool.settle(ctx) }

// Close ends the runtimes, politely unless patience is 0, and refuses what is
// still queued.
func (e *Engine) Close(patience time.Duration) {
	e.pool.close()
	for _, env := range e.all {
		env.terminate(patience)
	}
}
