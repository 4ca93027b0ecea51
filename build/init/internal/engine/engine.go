// Package engine runs invocations: it queues them, keeps the runtimes they
// need alive, and sees to it that each of them ends.
package engine

import (
	"context"
	"sync"
	"time"

	"imagemill/init/internal/extension"
	"imagemill/init/internal/platformlog"
	"imagemill/init/internal/process"
	"imagemill/init/internal/telemetry"
)

// Settings are what the engine needs to know of the function and its runtime.
type Settings struct {
	FunctionARN string
	// Function is what extensions are told.
	Function   extension.Function
	MemorySize int
	// Timeout bounds an invocation, and InitTimeout the init phase. Suspended
	// lets both pass: somebody sits at a debugger.
	Timeout     time.Duration
	InitTimeout time.Duration
	Suspended   bool
	MaxResponse int64
	// MemoryLimit ends a runtime that holds more, in bytes; 0 does not.
	MemoryLimit int64

	// Environments is how many there may be, each with a runtime of its own;
	// Side by side is how many invocations each of them takes at a time.
	Environments int
	SideBySide   int
	// Throttle refuses an invocation that no environment is free for.
	Throttle bool
	// NewPlace makes the place of a further environment.
	NewPlace func() (*Place, error)

	// Launch starts a runtime; nil when somebody else does. LaunchExtension
	// starts one of those that Extensions finds.
	Launch          func(Launch) (*process.Child, error)
	LaunchExtension func(string, Launch) (*process.Child, error)
	Extensions      func() []string
	// StartErrorType names an error of Launch for the caller.
	StartErrorType func(error) string

	// RetryDelays are the waits before an event that failed is tried again.
	RetryDelays []time.Duration

	Log   *platformlog.Logger
	NewID func() string
	// Debug writes a line for those who look for a fault.
	Debug func(format string, args ...any)
}

// Launch is what a process of an environment is started with.
type Launch struct {
	// Address is where it finds the APIs.
	Address string
	// Tail and Bus take what it writes.
	Tail *process.Tail
	Bus  *telemetry.Bus
}

// Engine takes invocations, each environment as many at a time as it can.
type Engine struct {
	settings Settings
	pool     *pool
	closing  chan struct{}

	mu  sync.Mutex
	all []*environment
}

// New returns an Engine whose first environment is at place.
func New(settings Settings, place *Place) *Engine {
	e := &Engine{settings: settings, closing: make(chan struct{})}
	first := newEnvironment(settings, place)
	e.all = []*environment{first}
	e.pool = newPool(settings.SideBySide, settings.Environments, first, e.grow)
	return e
}

// grow makes a further environment.
func (e *Engine) grow() (*environment, error) {
	place, err := e.settings.NewPlace()
	if err != nil {
		return nil, err
	}
	env := newEnvironment(e.settings, place)
	e.mu.Lock()
	e.all = append(e.all, env)
	e.mu.Unlock()
	return env, nil
}

func (e *Engine) environments() []*environment {
	e.mu.Lock()
	defer e.mu.Unlock()
	return append([]*environment(nil), e.all...)
}

// Prewarm starts a runtime before anybody has asked for it.
func (e *Engine) Prewarm() {
	e.pool.enter()
	go func() {
		defer e.pool.leave()
		if env, err := e.pool.acquire(false); err == nil {
			env.prewarm()
			e.pool.release(env)
		}
	}()
}

// Invoke runs one invocation to its end. early, unless nil, gets the outcome
// before the log lines are written and the environment is free again.
func (e *Engine) Invoke(inv *Invocation, early func(*Outcome)) *Outcome {
	e.pool.enter()
	defer e.pool.leave()
	env, err := e.pool.acquire(e.settings.Throttle)
	if err != nil {
		out := refused(inv.RequestID, err)
		if early != nil {
			early(out)
		}
		return out
	}
	if e.settings.Throttle {
		// Whoever has its answer must not be refused for its own call.
		out := env.serve(inv, nil)
		e.pool.release(env)
		if early != nil {
			early(out)
		}
		return out
	}
	defer e.pool.release(env)
	return env.serve(inv, early)
}

// Restart kills the runtimes and starts new ones. An invocation that is
// running ends as one whose runtime was killed.
func (e *Engine) Restart() {
	for _, env := range e.environments() {
		env.kill()
	}
	e.Prewarm()
}

// Settle waits until every invocation has ended, or ctx has. Events that wait
// to be tried again do so no more.
func (e *Engine) Settle(ctx context.Context) {
	e.endRetries()
	e.pool.settle(ctx)
}

func (e *Engine) endRetries() {
	e.mu.Lock()
	defer e.mu.Unlock()
	select {
	case <-e.closing:
	default:
		close(e.closing)
	}
}

// Close ends the runtimes, politely unless patience is 0, and refuses what is
// still queued.
func (e *Engine) Close(patience time.Duration) {
	e.endRetries()
	e.pool.close()
	var group sync.WaitGroup
	for _, env := range e.environments() {
		group.Go(func() { env.terminate(patience) })
	}
	group.Wait()
}
