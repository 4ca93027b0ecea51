package engine

import (
	"fmt"
	"time"
)

// loggedBytes is how much of an event's result the log shows.
const loggedBytes = 4096

// InvokeLater runs an invocation that nobody waits for. One that ends with a
// function error is tried again after each of the RetryDelays; what came of it
// in the end, the log tells.
func (e *Engine) InvokeLater(inv *Invocation) {
	e.pool.enter()
	go func() {
		defer e.pool.leave()
		for tries := 1; ; tries++ {
			out := e.Invoke(inv, nil)
			if out.FunctionError == "" && out.Kind != Throttled {
				e.tellEvent(out, tries, "success")
				return
			}
			if out.Kind == Unavailable {
				e.tellEvent(out, tries, "lost: the emulator is shutting down")
				return
			}
			if tries > len(e.settings.RetryDelays) {
				e.tellEvent(out, tries, "failed")
				return
			}
			if !e.sleep(e.settings.RetryDelays[tries-1]) {
				e.tellEvent(out, tries, "failed, and not tried again: the emulator is shutting down")
				return
			}
		}
	}()
}

// sleep waits; false when the program ends before.
func (e *Engine) sleep(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-e.closing:
		return false
	}
}

// tellEvent logs what came of an event.
func (e *Engine) tellEvent(out *Outcome, tries int, status string) {
	result := out.Body
	if len(result) > loggedBytes {
		result = result[:loggedBytes]
	}
	e.settings.Log.Line(fmt.Sprintf("EVENT RequestId: %s\tAttempts: %d\tStatus: %s\tResult: %s",
		out.RequestID, tries, status, result))
}
