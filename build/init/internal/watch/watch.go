// Package watch tells when files under some directories change.
package watch

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
	"unsafe"
)

const (
	// quiet is how long nothing must happen before a change is told: a save
	// or a build is many events, and should be one restart.
	quiet = 50 * time.Millisecond
	// longest bounds the wait for quiet.
	longest = time.Second
)

const changeMask = syscall.IN_CREATE | syscall.IN_CLOSE_WRITE | syscall.IN_MODIFY | syscall.IN_DELETE |
	syscall.IN_MOVED_FROM | syscall.IN_MOVED_TO

// Watcher watches directories and all that is in them.
type Watcher struct {
	// Changes yields once for each burst of changes.
	Changes chan struct{}

	file  *os.File
	fd    int
	paths map[int32]string
}

// New watches the directories, which must exist.
func New(directories ...string) (*Watcher, error) {
	fd, err := syscall.InotifyInit1(syscall.IN_CLOEXEC | syscall.IN_NONBLOCK)
	if err != nil {
		return nil, fmt.Errorf("cannot watch for changes: %w", err)
	}
	w := &Watcher{
		Changes: make(chan struct{}, 1),
		file:    os.NewFile(uintptr(fd), "inotify"),
		fd:      fd,
		paths:   map[int32]string{},
	}
	for _, directory := range directories {
		if err := w.add(directory); err != nil {
			return nil, errors.Join(err, w.file.Close())
		}
	}
	go w.run()
	return w, nil
}

// Close ends the watch.
func (w *Watcher) Close() { _ = w.file.Close() }

// add watches a directory and those in it. What is gone again by the time it
// is looked at is no mistake, but for the first.
func (w *Watcher) add(root string) error {
	return filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil && path == root {
			return fmt.Errorf("cannot watch %s: %w", root, err)
		}
		if err != nil || !entry.IsDir() {
			return nil
		}
		if ignored(path) {
			return filepath.SkipDir
		}
		descriptor, err := syscall.InotifyAddWatch(w.fd, path, changeMask)
		if errors.Is(err, syscall.ENOSPC) {
			return fmt.Errorf("cannot watch %s: the limit fs.inotify.max_user_watches is reached", path)
		}
		if err == nil {
			w.paths[int32(descriptor)] = path
		}
		return nil
	})
}

// ignored is whether a directory holds what the runtime itself writes when it
// loads the code: to restart it for that would be to restart it again.
func ignored(path string) bool { return filepath.Base(path) == "__pycache__" }

func (w *Watcher) run() {
	buffer := make([]byte, 16*1024)
	var began time.Time
	for {
		n, err := w.file.Read(buffer)
		switch {
		case err == nil && w.changed(buffer[:n]):
			now := time.Now()
			if began.IsZero() {
				began = now
			}
			deadline := now.Add(quiet)
			if last := began.Add(longest); deadline.After(last) {
				deadline = last
			}
			if w.file.SetReadDeadline(deadline) != nil {
				return
			}
		case err == nil:
		case errors.Is(err, os.ErrDeadlineExceeded):
			began = time.Time{}
			w.tell()
			if w.file.SetReadDeadline(time.Time{}) != nil {
				return
			}
		default:
			return
		}
	}
}

func (w *Watcher) tell() {
	select {
	case w.Changes <- struct{}{}:
	default:
		// One is told already and not yet taken.
	}
}

// changed takes the events of one read, and is whether any of them matters.
func (w *Watcher) changed(events []byte) bool {
	matters := false
	for len(events) >= syscall.SizeofInotifyEvent {
		event := (*syscall.InotifyEvent)(unsafe.Pointer(&events[0]))
		end := syscall.SizeofInotifyEvent + int(event.Len)
		if end > len(events) {
			break
		}
		name := strings.TrimRight(string(events[syscall.SizeofInotifyEvent:end]), "\x00")
		events = events[end:]
		if w.take(event.Wd, event.Mask, name) {
			matters = true
		}
	}
	return matters
}

func (w *Watcher) take(descriptor int32, mask uint32, name string) bool {
	if mask&syscall.IN_Q_OVERFLOW != 0 {
		return true
	}
	path := filepath.Join(w.paths[descriptor], name)
	switch {
	case mask&syscall.IN_IGNORED != 0:
		delete(w.paths, descriptor)
		return false
	case mask&syscall.IN_ISDIR != 0 && ignored(path):
		return false
	case mask&syscall.IN_ISDIR != 0 && mask&(syscall.IN_CREATE|syscall.IN_MOVED_TO) != 0:
		// A directory that cannot be watched is a change all the same.
		_ = w.add(path)
	}
	return true
}
