package watch

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

const changeMask = syscall.IN_CREATE | syscall.IN_CLOSE_WRITE | syscall.IN_MODIFY | syscall.IN_DELETE |
	syscall.IN_MOVED_FROM | syscall.IN_MOVED_TO

// events are the kernel's reports of changes.
type events struct {
	file  *os.File
	fd    int
	poll  Poll
	roots []string
	paths map[int32]string
}

func newEvents(poll Poll) (*events, error) {
	fd, err := syscall.InotifyInit1(syscall.IN_CLOEXEC | syscall.IN_NONBLOCK)
	if errors.Is(err, syscall.EMFILE) {
		return nil, errors.New("cannot watch for changes: the limit fs.inotify.max_user_instances, or that of open files, is reached")
	}
	if err != nil {
		return nil, fmt.Errorf("cannot watch for changes: %w", err)
	}
	return &events{
		file:  os.NewFile(uintptr(fd), "inotify"),
		fd:    fd,
		poll:  poll,
		paths: map[int32]string{},
	}, nil
}

func (e *events) close() error {
	if e == nil {
		return nil
	}
	return e.file.Close()
}

// any is whether any directory is watched.
func (e *events) any() bool { return e != nil && len(e.roots) > 0 }

// watch watches a directory and those in it. Those on another file system, of
// which nothing is reported, are returned.
func (e *events) watch(root string) (polled []string, err error) {
	polled, err = e.add(root)
	if err == nil {
		e.roots = append(e.roots, root)
	}
	return polled, err
}

// add does that, also for one that has come later. What is gone again by the
// time it is looked at is no mistake, but for the first.
func (e *events) add(root string) (polled []string, err error) {
	var above device
	err = filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil && path == root {
			return fmt.Errorf("cannot watch %s: %w", root, err)
		}
		if err != nil || !entry.IsDir() {
			return nil
		}
		if path != root && ignored(entry.Name()) {
			return filepath.SkipDir
		}
		if e.poll == Auto && above.differs(entry) && silent(path) {
			polled = append(polled, path)
			return filepath.SkipDir
		}
		return e.addOne(path)
	})
	return polled, err
}

func (e *events) addOne(path string) error {
	descriptor, err := syscall.InotifyAddWatch(e.fd, path, changeMask)
	if errors.Is(err, syscall.ENOSPC) {
		return fmt.Errorf("cannot watch %s: the limit fs.inotify.max_user_watches is reached", path)
	}
	if err == nil {
		e.paths[int32(descriptor)] = path
	}
	return nil
}

// forget ends the watch of a directory and those in it.
func (e *events) forget(root string) {
	if e == nil {
		return
	}
	for descriptor, path := range e.paths {
		if path == root || strings.HasPrefix(path, strings.TrimSuffix(root, "/")+"/") {
			delete(e.paths, descriptor)
			// It can only be gone already.
			_, _ = syscall.InotifyRmWatch(e.fd, uint32(descriptor))
		}
	}
}

// run tells of changes until the file is closed.
func (e *events) run(tell func()) {
	buffer := make([]byte, 16*1024)
	var began time.Time
	for {
		n, err := e.file.Read(buffer)
		switch {
		case err == nil && e.changed(buffer[:n]):
			now := time.Now()
			if began.IsZero() {
				began = now
			}
			deadline := now.Add(quiet)
			if last := began.Add(longest); deadline.After(last) {
				deadline = last
			}
			if e.file.SetReadDeadline(deadline) != nil {
				return
			}
		case err == nil:
		case errors.Is(err, os.ErrDeadlineExceeded):
			began = time.Time{}
			tell()
			if e.file.SetReadDeadline(time.Time{}) != nil {
				return
			}
		default:
			return
		}
	}
}

// changed takes the events of one read, and is whether any of them matters.
func (e *events) changed(data []byte) bool {
	matters := false
	for len(data) >= syscall.SizeofInotifyEvent {
		// The fields of a struct inotify_event; see inotify(7).
		descriptor := int32(binary.NativeEndian.Uint32(data))
		mask := binary.NativeEndian.Uint32(data[4:])
		end := syscall.SizeofInotifyEvent + uint64(binary.NativeEndian.Uint32(data[12:]))
		if end > uint64(len(data)) {
			break
		}
		name := strings.TrimRight(string(data[syscall.SizeofInotifyEvent:end]), "\x00")
		data = data[end:]
		if e.take(descriptor, mask, name) {
			matters = true
		}
	}
	return matters
}

func (e *events) take(descriptor int32, mask uint32, name string) bool {
	if mask&syscall.IN_Q_OVERFLOW != 0 {
		// Directories may have come unseen.
		for _, root := range e.roots {
			_, _ = e.add(root)
		}
		return true
	}
	directory, known := e.paths[descriptor]
	switch {
	case !known:
		// Reported before the watch was ended.
		return false
	case mask&syscall.IN_IGNORED != 0:
		delete(e.paths, descriptor)
		return false
	case mask&syscall.IN_ISDIR != 0 && ignored(name):
		return false
	case mask&syscall.IN_ISDIR != 0 && mask&(syscall.IN_CREATE|syscall.IN_MOVED_TO) != 0:
		// A directory that cannot be watched is a change all the same.
		_, _ = e.add(filepath.Join(directory, name))
	}
	return true
}
