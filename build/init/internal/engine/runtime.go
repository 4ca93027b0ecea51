package engine

import (
	"sync"
	"time"

	"imagemill/init/internal/extension"
	"imagemill/init/internal/process"
	"imagemill/init/internal/runtimeapi"
	"imagemill/init/internal/telemetry"
)

// runtime is one runtime process with the extensions beside it, and the
// conversations with them.
type runtime struct {
	session    *runtimeapi.Session
	extensions *extension.Registry
	bus        *telemetry.Bus
	started    time.Time

	// initOver is closed at the end of the init. Only after that: failure
	// makes the outcome of an init that went wrong, expired is that it took
	// too long, and exited is closed when the process ends, never for one
	// that somebody else has started.
	initOver chan struct{}
	failure  func(requestID string) *Outcome
	expired  bool
	exited   <-chan struct{}
	// inInvoke: the init is part of an invocation, and of its time.
	inInvoke bool

	// condemned is closed when the runtime is to be replaced, buried when its
	// processes are gone.
	condemned chan struct{}
	buried    chan struct{}

	mu     sync.Mutex
	child  *process.Child
	killed bool
	// initReported: a REPORT has told of the init. initEnded is when it
	// ended, if the runtime knows better than we do.
	initReported bool
	initEnded    time.Time
	// peak is the peak memory as of sampled.
	peak    int64
	sampled time.Time
	// served: it has had an event, and so was in order; running is how many
	// it has.
	served  bool
	running int
}

func newRuntime(session *runtimeapi.Session) *runtime {
	return &runtime{
		session:   session,
		started:   time.Now(),
		initOver:  make(chan struct{}),
		condemned: make(chan struct{}),
		buried:    make(chan struct{}),
	}
}

// adopt takes the process that was started; one that is not wanted any more is
// ended.
func (rt *runtime) adopt(child *process.Child) {
	rt.mu.Lock()
	defer rt.mu.Unlock()
	rt.child, rt.exited = child, child.Done()
	if rt.killed || rt.isCondemned() {
		child.Kill()
	}
}

// process is the runtime's, nil if it has none yet or never.
func (rt *runtime) process() *process.Child {
	rt.mu.Lock()
	defer rt.mu.Unlock()
	return rt.child
}

// dead is whether the runtime can take no more events.
func (rt *runtime) dead() bool {
	if rt.isCondemned() {
		return true
	}
	select {
	case <-rt.initOver:
	default:
		return false
	}
	if rt.failure != nil {
		return true
	}
	select {
	case <-rt.exited:
		return true
	case <-rt.extensions.Failed():
		return true
	default:
		return false
	}
}

// tooSlow is whether its init took longer than the init phase may.
func (rt *runtime) tooSlow() bool {
	select {
	case <-rt.initOver:
		return rt.expired
	default:
		return false
	}
}

// condemn kills the process. The environment's lock is held.
func (rt *runtime) condemn() {
	if !rt.isCondemned() {
		close(rt.condemned)
	}
	if child := rt.process(); child != nil {
		child.Kill()
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

// shutdownLimit is what external extensions get between the end and SIGKILL.
const shutdownLimit = 2 * time.Second

// kill kills the process and ends the conversation; extensions are told why.
func (rt *runtime) kill(reason string) {
	rt.mu.Lock()
	again := rt.killed
	rt.killed = true
	child := rt.child
	rt.mu.Unlock()
	if again {
		return
	}
	if child != nil {
		child.Kill()
	}
	rt.session.Close()
	go func() {
		defer close(rt.buried)
		<-rt.initOver
		rt.extensions.Shutdown(reason, time.Now().Add(shutdownLimit))
		if rt.exited != nil {
			<-rt.exited
		}
		rt.bus.Close()
	}()
}

// burial is how long killed processes may take to be gone. One that the kernel
// holds on to does not keep its successor waiting.
const burial = time.Second

// awaitEnd waits until killed processes are gone, and with them what they
// could still ask.
func (rt *runtime) awaitEnd() {
	limit := burial
	if rt.extensions.Any() {
		limit += shutdownLimit
	}
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-rt.buried:
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
	rt.mu.Lock()
	defer rt.mu.Unlock()
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

// takeInitDuration is how long the init took, the first time it is asked. One
// that was part of an invocation has no duration of its own.
func (rt *runtime) takeInitDuration() time.Duration {
	rt.mu.Lock()
	defer rt.mu.Unlock()
	if rt.initReported || rt.inInvoke {
		return 0
	}
	select {
	case <-rt.session.Ready():
		rt.initReported = true
	default:
		return 0
	}
	ended := rt.session.ReadyAt()
	if !rt.initEnded.IsZero() {
		ended = rt.initEnded
	}
	return max(ended.Sub(rt.started), 0)
}

// begin counts an invocation in, and is whether there was one before.
func (rt *runtime) begin() (warm bool) {
	rt.mu.Lock()
	defer rt.mu.Unlock()
	warm = rt.served
	rt.served = true
	rt.running++
	return warm
}

// end counts an invocation out, and is whether it was the only one.
func (rt *runtime) end() (last bool) {
	rt.mu.Lock()
	defer rt.mu.Unlock()
	rt.running--
	return rt.running == 0
}
