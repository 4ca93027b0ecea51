// Package watch tells when files under some directories change. It asks the
// kernel to report changes (inotify) and, where the kernel does not know of
// them, looks for itself from time to time.
package watch

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"
)

const (
	// quiet is how long nothing must happen before a change is told: a save
	// or a build is many events, and should be one restart.
	quiet = 50 * time.Millisecond
	// longest bounds the wait for quiet.
	longest = time.Second
	// defaultInterval is how often files are looked at.
	defaultInterval = 500 * time.Millisecond
)

// Poll says which directories are looked at from time to time.
type Poll int

const (
	// Auto polls where changes that are made elsewhere are not reported: on
	// network file systems and the shared folders of virtual machines; and
	// where the kernel has no watches left.
	Auto Poll = iota
	// Always polls everything.
	Always
	// Never polls nothing.
	Never
)

// AlwaysIf is Always if so, else Auto.
func AlwaysIf(forced bool) Poll {
	if forced {
		return Always
	}
	return Auto
}

// Options say how to watch.
type Options struct {
	Poll Poll
	// Interval is the time between two looks at polled files; 0 is half a
	// second. It is longer when a look costs much.
	Interval time.Duration
}

// Watcher watches directories and all that is in them, but does not follow
// links in them.
type Watcher struct {
	// Changes yields once for each burst of changes.
	Changes chan struct{}

	stop    chan struct{}
	once    sync.Once
	running sync.WaitGroup
	events  *events
}

// New watches the directories, which must exist. What is polled has been
// looked at once when New returns.
func New(options Options, directories ...string) (*Watcher, error) {
	w := &Watcher{Changes: make(chan struct{}, 1), stop: make(chan struct{})}
	reported, polled, err := w.divide(options.Poll, directories)
	if err != nil {
		return nil, errors.Join(err, w.events.close())
	}
	p, err := newPoller(options.Interval, w.stop, polled)
	if err != nil {
		return nil, errors.Join(err, w.events.close())
	}
	if reported {
		w.running.Go(func() { w.events.run(w.tell) })
	}
	if len(polled) > 0 {
		w.running.Go(func() { p.run(w.tell) })
	}
	return w, nil
}

// divide has the kernel report on what it can, and returns what is to be
// polled.
func (w *Watcher) divide(poll Poll, directories []string) (reported bool, polled []string, err error) {
	for _, directory := range directories {
		root, err := resolve(directory)
		if err != nil {
			return false, nil, err
		}
		if poll == Always || poll == Auto && silent(root) {
			polled = append(polled, root)
			continue
		}
		rest, err := w.report(root, poll)
		if err != nil {
			return false, nil, err
		}
		polled = append(polled, rest...)
	}
	return w.events.any(), polled, nil
}

// report has the kernel report on a directory, and returns what is to be
// polled instead, in it or all of it.
func (w *Watcher) report(root string, poll Poll) (polled []string, err error) {
	if w.events == nil {
		w.events, err = newEvents(poll)
	}
	if err == nil {
		polled, err = w.events.watch(root)
	}
	if err != nil && poll == Auto {
		w.events.forget(root)
		return []string{root}, nil
	}
	return polled, err
}

// resolve follows the links to a directory.
func resolve(directory string) (string, error) {
	root, err := filepath.EvalSymlinks(directory)
	if err != nil {
		return "", fmt.Errorf("cannot watch %s: %w", directory, err)
	}
	info, err := os.Stat(root)
	if err != nil {
		return "", fmt.Errorf("cannot watch %s: %w", directory, err)
	}
	if !info.IsDir() {
		return "", fmt.Errorf("cannot watch %s: it is not a directory", directory)
	}
	return root, nil
}

// Close ends the watch. It does not wait, since a file system that does not
// answer could hold it up: a look that is under way ends when it does.
func (w *Watcher) Close() {
	w.once.Do(func() {
		close(w.stop)
		_ = w.events.close()
	})
}

func (w *Watcher) tell() {
	select {
	case w.Changes <- struct{}{}:
	default:
		// One is told already and not yet taken.
	}
}

// ignored is whether a directory holds what the runtime itself writes when it
// loads the code: to restart it for that would be to restart it again.
func ignored(name string) bool { return name == "__pycache__" }
