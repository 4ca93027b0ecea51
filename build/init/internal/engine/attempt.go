package engine

import (
	"errors"
	"time"

	"imagemill/init/internal/platformlog"
	"imagemill/init/internal/runtimeapi"
)

// lastWords is how long an answer may take to be read that a runtime sent
// just before it ended.
const lastWords = 10 * time.Millisecond

// attempt is one invocation on its way through an environment.
type attempt struct {
	env *environment
	inv *Invocation
	rt  *runtime

	began   time.Time
	started bool
	// finished: the runtime is of no more use.
	finished bool
}

// start writes the START line, once.
func (a *attempt) start() {
	if !a.started {
		a.started = true
		a.env.Log.Start(a.inv.RequestID, a.env.FunctionVersion)
	}
}

// run returns how the invocation ends. A runtime that is being replaced, or
// that served before and died since, gets a successor, unless it had taken
// the event already.
func (a *attempt) run() *Outcome {
	for {
		rt, err := a.env.ensureRuntime()
		if err != nil {
			return a.notStarted(err)
		}
		a.rt, a.finished = rt, false
		out, retry := a.awaitReady()
		if out == nil && !retry {
			out, retry = a.exchange()
		}
		if !retry {
			return out
		}
		a.env.drop(rt)
	}
}

func (a *attempt) notStarted(err error) *Outcome {
	a.rt = nil
	if errors.Is(err, errClosing) {
		return unavailable(a.inv.RequestID)
	}
	return notStarted(a.inv.RequestID, a.env.StartErrorType(err), err)
}

// awaitReady waits for the end of the init; no outcome when it went well.
func (a *attempt) awaitReady() (out *Outcome, retry bool) {
	session := a.rt.session
	select {
	case <-session.Ready():
		return nil, false
	default:
	}
	timer := time.NewTimer(a.env.InitTimeout)
	defer timer.Stop()
	select {
	case <-session.Ready():
		return nil, false
	case <-session.InitFailed():
		return a.initFailed(), false
	case <-a.rt.exited:
		if a.rt.isCondemned() {
			return nil, true
		}
		return a.exitedInInit(), false
	case <-session.Closed():
		return a.fatal(unavailable(a.inv.RequestID)), false
	case <-timer.C:
		return a.fatal(timedOut(a.inv.RequestID, a.env.InitTimeout)), false
	}
}

// exitedInInit is the outcome when the runtime ended in its init; it may have
// said why.
func (a *attempt) exitedInInit() *Outcome {
	select {
	case <-a.rt.session.InitFailed():
		return a.initFailed()
	default:
		return a.fatal(exited(a.inv.RequestID, a.rt.child.Exit()))
	}
}

func (a *attempt) initFailed() *Outcome {
	return a.fatal(initFailed(a.inv.RequestID, a.rt.session.InitFailure(), a.env.MaxResponse))
}

// fatal marks the runtime as of no more use.
func (a *attempt) fatal(out *Outcome) *Outcome {
	a.finished = true
	return out
}

// exchange gives the event to the runtime and waits for its answer.
func (a *attempt) exchange() (out *Outcome, retry bool) {
	warm := a.rt.served
	a.rt.served = true
	a.start()
	a.began = time.Now()
	event := a.event()
	a.rt.session.Deliver(event)

	timer := time.NewTimer(a.env.Timeout)
	defer timer.Stop()
	select {
	case answer := <-event.Answered():
		return answered(a.inv.RequestID, answer, a.env.MaxResponse), false
	case <-a.rt.exited:
		if (warm || a.rt.isCondemned()) && a.rt.session.Withdraw() {
			return nil, true
		}
		return a.fatal(a.exitedWith(event, timer)), false
	case <-a.rt.session.Closed():
		return a.fatal(unavailable(a.inv.RequestID)), false
	case <-timer.C:
		return a.fatal(timedOut(a.inv.RequestID, a.env.Timeout)), false
	}
}

func (a *attempt) event() *runtimeapi.Event {
	return runtimeapi.NewEvent(runtimeapi.Event{
		RequestID:       a.inv.RequestID,
		FunctionARN:     a.env.FunctionARN,
		TraceID:         a.inv.TraceID,
		ClientContext:   a.inv.ClientContext,
		CognitoIdentity: a.inv.CognitoIdentity,
		TenantID:        a.inv.TenantID,
		Deadline:        a.began.Add(a.env.Timeout),
		Payload:         a.inv.Payload,
		Tail:            a.inv.Tail,
	})
}

// exitedWith is the outcome when the runtime ended. If it had answered right
// before, that is still being read; all of it is in this machine.
func (a *attempt) exitedWith(event *runtimeapi.Event, timeout *time.Timer) *Outcome {
	grace := time.NewTimer(lastWords)
	defer grace.Stop()
	select {
	case answer := <-event.Answered():
		return answered(a.inv.RequestID, answer, a.env.MaxResponse)
	case <-grace.C:
	}
	if a.rt.session.Answering() {
		select {
		case answer := <-event.Answered():
			return answered(a.inv.RequestID, answer, a.env.MaxResponse)
		case <-timeout.C:
		}
	}
	return exited(a.inv.RequestID, a.rt.child.Exit())
}

// drain hands on what the runtime has written so far.
func (a *attempt) drain() {
	if a.rt != nil && a.rt.child != nil {
		a.rt.child.Drain()
	}
}

// report writes the lines that end an invocation.
func (a *attempt) report(duration time.Duration) {
	a.start()
	a.drain()
	report := platformlog.Report{
		RequestID:  a.inv.RequestID,
		Duration:   duration,
		MemorySize: a.env.MemorySize,
	}
	if a.rt != nil {
		report.Init = a.rt.takeInitDuration()
		report.PeakMemory = a.rt.peakMemory(duration)
	}
	a.env.Log.End(report)
}
