// Package extension is the Lambda Extensions API: processes beside the runtime
// that are told of every invocation and of the end.
package extension

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"time"

	"imagemill/init/internal/process"
	"imagemill/init/internal/wire"
)

// Limits and places of the Extensions API, from AWS's documentation and its
// emulator.
const (
	// Directory is where external extensions are.
	Directory = "/opt/extensions"
	// DisableFile, when it exists, leaves them all unstarted.
	DisableFile = "/opt/disable-extensions-jwigqn8j"

	maxExtensions = 10
)

// Function is what an extension is told when it registers.
type Function struct {
	Name, Version, Handler, AccountID string
}

// Settings are what a Registry needs to know.
type Settings struct {
	Function Function
	// Launch starts an external extension.
	Launch func(path string) (*process.Child, error)
	// Subscribe, Unless nil, takes a subscription to telemetry, and says
	// what its extension has subscribed to.
	Subscribe func(name string, body []byte) (types []string, err error)
	// Unsubscribed is called when an extension has gone.
	Unsubscribed func(name string)
	// Subscribed is told what Subscribe has accepted.
	Subscribed func(name string, types []string)
	NewID      func() string
}

// Find returns the executables of external extensions, in their order.
func Find(directory, disableFile string) []string {
	if _, err := os.Stat(disableFile); err == nil {
		return nil
	}
	entries, err := os.ReadDir(directory)
	if err != nil {
		return nil
	}
	var paths []string
	for _, entry := range entries {
		path := filepath.Join(directory, entry.Name())
		if info, err := os.Stat(path); err == nil && !info.IsDir() {
			paths = append(paths, path)
		}
	}
	return paths
}

// Failure is an extension that ended the environment it belongs to.
type Failure struct{ Type, Message string }

// Registry holds the extensions of one environment, from its start to its
// end.
type Registry struct {
	settings Settings

	mu     sync.Mutex
	agents []*agent
	// closed: nobody can register any more.
	closed  bool
	ending  bool
	failure *Failure
	failed  chan struct{}
	// waits are settled by changes of the agents' states.
	waits []*wait
}

// wait is somebody who waits for a condition.
type wait struct {
	met  func() bool
	done chan struct{}
}

// New returns an empty Registry.
func New(settings Settings) *Registry {
	return &Registry{settings: settings, failed: make(chan struct{})}
}

// Failed is closed when an extension has failed, and with it the environment.
func (r *Registry) Failed() <-chan struct{} { return r.failed }

// Failure says how; only after Failed.
func (r *Registry) Failure() Failure {
	r.mu.Lock()
	defer r.mu.Unlock()
	return *r.failure
}

// Any is whether there are extensions.
func (r *Registry) Any() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.agents) > 0
}

// Start starts the external extensions. The channel is closed when each of
// them has registered.
func (r *Registry) Start(paths []string) <-chan struct{} {
	r.mu.Lock()
	for _, path := range paths {
		r.agents = append(r.agents, &agent{registry: r, name: filepath.Base(path), external: true})
	}
	agents := slices.Clone(r.agents)
	r.mu.Unlock()
	for i, path := range paths {
		child, err := r.settings.Launch(path)
		if err != nil {
			r.fail("Extension.LaunchError", fmt.Sprintf("extension %s cannot be started: %v", agents[i].name, err))
			break
		}
		agents[i].adopt(child)
		go agents[i].bury(child)
	}
	return r.until(func() bool { return !slices.ContainsFunc(r.agents, func(a *agent) bool { return a.state == started }) })
}

// Ready returns a channel that is closed when every registered extension has
// asked for its first event. Nobody can register after that.
func (r *Registry) Ready() <-chan struct{} {
	return r.until(func() bool {
		r.closed = r.idle()
		return r.closed
	})
}

// idle is whether all wait for an event. The lock is held.
func (r *Registry) idle() bool {
	return !slices.ContainsFunc(r.agents, func(a *agent) bool { return a.state != ready && a.state != gone })
}

// until returns a channel that is closed when a condition is met, which is
// looked at with the lock held after each change.
func (r *Registry) until(met func() bool) <-chan struct{} {
	w := &wait{met, make(chan struct{})}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.waits = append(r.waits, w)
	r.changed()
	return w.done
}

// changed looks whether somebody has waited for this. The lock is held.
func (r *Registry) changed() {
	r.waits = slices.DeleteFunc(r.waits, func(w *wait) bool {
		met := w.met()
		if met {
			close(w.done)
		}
		return met
	})
}

// fail takes note of the first failure.
func (r *Registry) fail(errorType, message string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.failLocked(errorType, message)
}

func (r *Registry) failLocked(errorType, message string) {
	if r.failure == nil && !r.ending {
		r.failure = &Failure{errorType, message}
		close(r.failed)
	}
}

// Summary is what the log tells of an extension.
type Summary struct {
	Name   string
	Events []string
}

// Summaries returns those of all, by name.
func (r *Registry) Summaries() []Summary {
	r.mu.Lock()
	defer r.mu.Unlock()
	summaries := make([]Summary, 0, len(r.agents))
	for _, a := range r.agents {
		summaries = append(summaries, Summary{a.name, a.eventNames()})
	}
	slices.SortFunc(summaries, func(a, b Summary) int { return cmp.Compare(a.Name, b.Name) })
	return summaries
}

// Invocation is what an extension is told of one.
type Invocation struct {
	RequestID, FunctionARN, TraceID string
	Deadline                        time.Time
}

// Invoke tells those who want to know of an invocation. The channel is closed
// when they have all asked for the next event; nil when nobody wants to know.
func (r *Registry) Invoke(inv Invocation) <-chan struct{} {
	r.mu.Lock()
	told := false
	for _, a := range r.agents {
		if a.invoke && a.state != gone {
			told = true
			a.tell(invokeEvent(inv))
		}
	}
	r.mu.Unlock()
	if !told {
		return nil
	}
	return r.until(r.idle)
}

// Shutdown tells the extensions that the environment ends, and why, and
// returns when they have ended, by deadline at the latest.
func (r *Registry) Shutdown(reason string, deadline time.Time) {
	r.mu.Lock()
	r.ending, r.closed = true, true
	for _, a := range r.agents {
		switch {
		case a.child == nil:
			a.leave()
		case a.shutdown && a.state != started:
			a.tell(shutdownEvent(reason, deadline))
		default:
			a.child.Signal(syscall.SIGKILL)
		}
	}
	r.changed()
	r.mu.Unlock()
	ended := r.until(func() bool {
		return !slices.ContainsFunc(r.agents, func(a *agent) bool { return a.state != gone })
	})
	timer := time.NewTimer(time.Until(deadline))
	defer timer.Stop()
	select {
	case <-ended:
	case <-timer.C:
		r.kill()
		<-ended
	}
}

func (r *Registry) kill() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ending = true
	for _, a := range r.agents {
		if a.child != nil {
			a.child.Kill()
		}
		if a.child == nil {
			a.leave()
		}
	}
	r.changed()
}

// register takes a new extension, or one that was started and now says what it
// wants.
func (r *Registry) register(name string, invoke, shutdown bool) (*agent, *refusal) {
	r.mu.Lock()
	defer r.mu.Unlock()
	i := slices.IndexFunc(r.agents, func(a *agent) bool { return a.name == name })
	var a *agent
	switch {
	case r.closed:
		return nil, refused("Extension.RegistrationClosed", "Extension registration closed already")
	case i >= 0 && r.agents[i].state == started:
		a = r.agents[i]
	case i >= 0:
		return nil, refused("Extension.InvalidExtensionState", "Extension with this name already registered")
	case shutdown:
		// Internal ones end with the runtime.
		return nil, refused("Extension.InvalidEventType", "SHUTDOWN: internal extensions cannot register for it")
	case len(r.agents) >= maxExtensions:
		return nil, refused("Extension.TooManyExtensions", fmt.Sprintf("Extension limit (%d) reached", maxExtensions))
	default:
		a = &agent{registry: r, name: name}
		r.agents = append(r.agents, a)
	}
	a.id, a.invoke, a.shutdown, a.state = r.settings.NewID(), invoke, shutdown, registered
	r.changed()
	return a, nil
}

// find returns the extension that a request comes from.
func (r *Registry) find(x *wire.Exchange) (*agent, *refusal) {
	id := x.Header.Get("Lambda-Extension-Identifier")
	switch {
	case id == "":
		return nil, refused("Extension.MissingExtensionIdentifier", "Missing Lambda-Extension-Identifier header")
	case !isID(id):
		return nil, refused("Extension.InvalidExtensionIdentifier", "Invalid Lambda-Extension-Identifier")
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, a := range r.agents {
		if a.id == id {
			return a, nil
		}
	}
	return nil, refused("Extension.UnknownExtensionIdentifier", "Unknown extension "+id)
}

// isID is whether s is in the form of a UUID.
func isID(s string) bool {
	if len(s) != 36 {
		return false
	}
	for i := 0; i < len(s); i++ {
		c := s[i]
		digit := '0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F'
		if dash := i == 8 || i == 13 || i == 18 || i == 23; dash != (c == '-') || !dash && !digit {
			return false
		}
	}
	return true
}
