package engine

import (
	"time"

	"imagemill/init/internal/process"
)

// init starts the extensions and the runtime, and waits until they are ready,
// at most for limit; 0 is no limit.
func (rt *runtime) init(env *environment, limit time.Duration) {
	defer close(rt.initOver)
	env.tellInitStart(rt)
	var expired <-chan time.Time
	if limit > 0 {
		timer := time.NewTimer(limit)
		defer timer.Stop()
		expired = timer.C
	}
	errorType := rt.runInit(env, expired)
	rt.bus.InitOver()
	env.tellInitOver(rt, errorType)
}

// runInit returns the error's type, if any.
func (rt *runtime) runInit(env *environment, expired <-chan time.Time) (errorType string) {
	launch := Launch{Address: env.place.Address, Tail: &env.tail, Bus: rt.bus}
	if paths := env.Extensions(); len(paths) > 0 {
		if errorType := rt.awaitInit(env, rt.extensions.Start(paths), expired); errorType != "" {
			return errorType
		}
	}
	if env.Launch != nil {
		child, err := env.Launch(launch)
		if err != nil {
			errorType := env.StartErrorType(err)
			rt.failure = func(id string) *Outcome { return notStarted(id, errorType, err) }
			return errorType
		}
		rt.adopt(child)
		env.Debug("runtime %d started", child.PID())
		env.limitMemory(rt, child)
	}
	if errorType := rt.awaitInit(env, rt.session.Ready(), expired); errorType != "" {
		return errorType
	}
	return rt.awaitInit(env, rt.extensions.Ready(), expired)
}

// awaitInit waits for one step, or for what ends the init before.
func (rt *runtime) awaitInit(env *environment, step <-chan struct{}, expired <-chan time.Time) (errorType string) {
	select {
	case <-step:
		return ""
	default:
	}
	select {
	case <-step:
		return ""
	case <-rt.session.InitFailed():
	case <-rt.exited:
		// It may have said why.
	case <-rt.extensions.Failed():
		failure := rt.extensions.Failure()
		rt.failure = func(id string) *Outcome { return extensionFailed(id, failure) }
		return failure.Type
	case <-rt.condemned:
		rt.failure = func(id string) *Outcome { return refused(id, errClosing) }
		return "Sandbox.Failure"
	case <-rt.session.Closed():
		rt.failure = func(id string) *Outcome { return refused(id, errClosing) }
		return "Sandbox.Failure"
	case <-expired:
		rt.expired = true
		limit := time.Since(rt.started).Truncate(10 * time.Millisecond)
		rt.failure = func(id string) *Outcome { return timedOut(id, limit) }
		return "Sandbox.Timedout"
	}
	select {
	case <-rt.session.InitFailed():
		report := rt.session.InitFailure()
		rt.failure = func(id string) *Outcome { return initFailed(id, report, env.MaxResponse) }
		return knownErrorType(report.ErrorType)
	default:
		exit := rt.process().Exit()
		rt.failure = func(id string) *Outcome { return exited(id, exit) }
		return "Runtime.ExitError"
	}
}

// limitMemory has the runtime end that holds too much.
func (env *environment) limitMemory(rt *runtime, child *process.Child) {
	if env.MemoryLimit <= 0 {
		return
	}
	stop := child.EnforceMemory(env.MemoryLimit, func(used int64) {
		env.Debug("runtime %d holds %d bytes, of %d that it may", child.PID(), used, env.MemoryLimit)
	})
	go func() {
		<-child.Done()
		stop()
	}()
}
