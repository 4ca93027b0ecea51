package engine

import (
	"errors"
	"time"

	"imagemill/init/internal/process"
	"imagemill/init/internal/runtimeapi"
)

var errClosing = errors.New("the emulator is shutting down")

// runtime is one runtime process and the conversation with it.
type runtime struct {
	session *runtimeapi.Session
	// child is nil for a runtime that somebody else has started; exited is
	// then never closed.
	child  *process.Child
	exited <-chan struct{}

	started      time.Time
	initReported bool
	// peak is the peak memory as of sampled.
	peak    int64
	sampled time.Time
	// served: it has had an event, and so was in order.
	served bool
	// condemned is closed when the runtime is to be replaced.
	condemned chan struct{}
}

func newRuntime(child *process.Child) *runtime {
	rt := &runtime{
		session:   runtimeapi.NewSession(),
		started:   time.Now(),
		condemned: make(chan struct{}),
	}
	if child != nil {
		rt.adopt(child)
	}
	return rt
}

func (rt *runtime) adopt(child *process.Child) {
	rt.child, rt.exited = child, child.Done()
}

// dead is whether the runtime can take no more events.
func (rt *runtime) dead() bool {
	select {
	case <-rt.exited:
		return true
	case <-rt.session.InitFailed():
		return true
	default:
		return rt.isCondemned()
	}
}

// condemn kills the process. The environment's lock is held.
func (rt *runtime) condemn() {
	if !rt.isCondemned() {
		close(rt.condemned)
	}
	if rt.child != nil {
		rt.child.Kill()
	}
}

func (rt *runtime) isCondemned() bool {
	select {
	case <-rt.condemned:
		return true
	default:
		return false
	}
}

// kill kills the process and ends the conversation.
func (rt *runtime) kill() {
	if rt.child != nil {
		rt.child.Kill()
	}
	rt.session.Close()
}

// burial is how long a killed process may take to be gone. One that the
// kernel holds on to does not keep its successor waiting.
const burial = time.Second

// awaitEnd waits until a killed process is gone, and with it what it could
// still ask.
func (rt *runtime) awaitEnd() {
	if rt.child == nil {
		return
	}
	timer := time.NewTimer(burial)
	defer timer.Stop()
	select {
	case <-rt.exited:
	case <-timer.C:
	}
}

// To ask the kernel for the peak memory costs a tenth of a warm invocation,
// and one that is as short as that cannot have raised it by much: within
// sampleInterval of the last time, it is asked again only after invocations
// of sampleAfter and more.
const (
	sampleInterval = 50 * time.Millisecond
	sampleAfter    = time.Millisecond
)

// peakMemory is the most memory that the runtime has held, in bytes, after an
// invocation of that duration.
func (rt *runtime) peakMemory(duration time.Duration) int64 {
	if rt.child == nil {
		return 0
	}
	now := time.Now()
	if duration >= sampleAfter || now.Sub(rt.sampled) >= sampleInterval {
		rt.sampled = now
		rt.peak = rt.child.PeakMemory()
	}
	return rt.peak
}

// takeInitDuration is how long the init took, the first time it is asked.
func (rt *runtime) takeInitDuration() time.Duration {
	if rt.initReported {
		return 0
	}
	select {
	case <-rt.session.Ready():
		rt.initReported = true
		return rt.session.ReadyAt().Sub(rt.started)
	default:
		return 0
	}
}
