package engine

import (
	"errors"
	"time"

	"imagemill/init/internal/extension"
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
	// fatal is why the runtime is of no more use, if it is not.
	fatal string
	// told is closed when the extensions are done with the invocation, too;
	// nil when none of them wants to know.
	told <-chan struct{}
}

// start writes the START line, once.
func (a *attempt) start() {
	if !a.started {
		a.started = true
		a.env.tellStart(a.rt, a.inv)
	}
}

// run returns how the invocation ends. A runtime that is being replaced, or
// that served before and died since, gets a successor, unless it had taken
// the event already. So does one whose init was too slow for the init phase.
func (a *attempt) run() *Outcome {
	for {
		rt, err := a.env.ensureRuntime()
		if err != nil {
			a.rt = nil
			return refused(a.inv.RequestID, err)
		}
		a.rt, a.fatal = rt, ""
		out, retry := a.awaitReady()
		if out == nil && !retry {
			out, retry = a.exchange()
		}
		if !retry {
			return out
		}
		a.env.drop(rt, failureReason)
	}
}

// awaitReady waits for the end of the init; no outcome when it went well.
func (a *attempt) awaitReady() (out *Outcome, retry bool) {
	rt := a.rt
	select {
	case <-rt.initOver:
	default:
		if out := a.awaitInit(); out != nil {
			return out, false
		}
	}
	if rt.failure == nil {
		return nil, false
	}
	if rt.isCondemned() || rt.expired && !rt.inInvoke {
		return nil, true
	}
	a.fatal = failureReason
	return rt.failure(a.inv.RequestID), false
}

// awaitInit waits for an init that is still going on. One of somebody else's
// runtime has no limit of its own.
func (a *attempt) awaitInit() *Outcome {
	var foreign <-chan time.Time
	if a.env.Launch == nil && !a.env.Suspended {
		timer := time.NewTimer(max(a.env.Timeout, a.env.InitTimeout))
		defer timer.Stop()
		foreign = timer.C
	}
	select {
	case <-a.rt.initOver:
		return nil
	case <-foreign:
		a.fatal = timeoutReason
		return timedOut(a.inv.RequestID, max(a.env.Timeout, a.env.InitTimeout))
	}
}

// exchange gives the event to the runtime and waits for its answer.
func (a *attempt) exchange() (out *Outcome, retry bool) {
	rt := a.rt
	warm := rt.begin()
	defer func() {
		if alone := rt.end(); out != nil && out.Kind == Timeout && alone {
			a.fatal = timeoutReason
		}
	}()
	a.start()
	a.began = time.Now()
	if rt.inInvoke && !warm {
		a.began = rt.started
	}
	event := a.event()
	a.told = rt.extensions.Invoke(extension.Invocation{
		RequestID: a.inv.RequestID, FunctionARN: a.env.FunctionARN, TraceID: a.inv.TraceID, Deadline: event.Deadline,
	})
	rt.session.Deliver(event)

	var expired <-chan time.Time
	if !a.env.Suspended {
		timer := time.NewTimer(time.Until(a.began.Add(a.env.Timeout)))
		defer timer.Stop()
		expired = timer.C
	}
	select {
	case answer := <-event.Answered():
		return a.answered(answer), false
	case <-rt.exited:
		if (warm || rt.isCondemned()) && rt.session.Withdraw(event) {
			return nil, true
		}
		return a.exited(event, expired), false
	case <-rt.extensions.Failed():
		a.fatal = failureReason
		return extensionFailed(a.inv.RequestID, rt.extensions.Failure()), false
	case <-rt.session.Closed():
		return a.ended(event, expired), false
	case <-expired:
		// Others may be running in it, which end in their own time.
		rt.session.Withdraw(event)
		rt.session.Forget(event)
		return timedOut(a.inv.RequestID, a.env.Timeout), false
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
		Taker:           a.inv.Taker,
	})
}

// answered is the outcome that the runtime gave. Old mocks know better than we
// do when it began.
func (a *attempt) answered(answer runtimeapi.Answer) *Outcome {
	if !answer.Began.IsZero() && answer.Began.After(a.began) {
		a.began = answer.Began
	}
	if !answer.InitEnded.IsZero() {
		a.rt.mu.Lock()
		a.rt.initEnded = answer.InitEnded
		a.rt.mu.Unlock()
	}
	return answered(a.inv.RequestID, answer, a.env.MaxResponse)
}

// ended is the outcome when somebody has ended the runtime.
func (a *attempt) ended(event *runtimeapi.Event, expired <-chan time.Time) *Outcome {
	if a.rt.process() != nil {
		timer := time.NewTimer(burial)
		defer timer.Stop()
		select {
		case <-a.rt.exited:
			return a.exited(event, expired)
		case <-timer.C:
		}
	}
	a.fatal = failureReason
	return refused(a.inv.RequestID, errClosing)
}

// exited is the outcome when the runtime ended. If it had answered right
// before, that is still being read; all of it is in this machine.
func (a *attempt) exited(event *runtimeapi.Event, expired <-chan time.Time) *Outcome {
	grace := time.NewTimer(lastWords)
	defer grace.Stop()
	select {
	case answer := <-event.Answered():
		return a.answered(answer)
	case <-grace.C:
	}
	if a.rt.session.Answering(event) {
		select {
		case answer := <-event.Answered():
			return a.answered(answer)
		case <-expired:
		}
	}
	a.fatal = failureReason
	return exited(a.inv.RequestID, a.rt.process().Exit())
}

// awaitExtensions waits until the extensions are done with the invocation, as
// long as that may take.
func (a *attempt) awaitExtensions() {
	if a.told == nil || a.fatal != "" {
		return
	}
	select {
	case <-a.told:
		return
	default:
	}
	var expired <-chan time.Time
	if !a.env.Suspended {
		timer := time.NewTimer(time.Until(a.began.Add(a.env.Timeout)))
		defer timer.Stop()
		expired = timer.C
	}
	select {
	case <-a.told:
	case <-a.rt.exited:
	case <-a.rt.extensions.Failed():
		a.env.drop(a.rt, failureReason)
	case <-a.rt.session.Closed():
	case <-expired:
		a.env.drop(a.rt, timeoutReason)
	}
}

// drain hands on what the runtime has written so far.
func (a *attempt) drain() {
	if a.rt == nil {
		return
	}
	if child := a.rt.process(); child != nil {
		child.Drain()
	}
}

// report writes the lines that end an invocation.
func (a *attempt) report(out *Outcome, duration time.Duration) {
	if errors.Is(out.refusal, errClosing) && !a.started {
		return
	}
	a.start()
	a.drain()
	a.env.tellEnd(a, out, duration)
}
