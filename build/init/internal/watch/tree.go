package watch

import (
	"errors"
	"fmt"
	"syscall"
	"unsafe"
)

// stamp is what a file is known again by. Its owner is not part of it: shared
// folders are seen to make that up.
type stamp struct {
	modified int64
	size     int64
	inode    uint64
	mode     uint32
}

// file is one that is not a directory. round is the last in which it was seen.
type file struct {
	stamp
	round uint32
}

// tree is a directory as it was seen last. That of a directory itself is not
// looked at, since shared folders are seen not to update it.
type tree struct {
	path  string
	files map[string]*file
	trees map[string]*tree
	round uint32
}

func newTree(path string) *tree {
	return &tree{path: path, files: map[string]*file{}, trees: map[string]*tree{}}
}

// walker compares trees with what is there. To walk where nothing has changed
// allocates nothing for a file.
type walker struct {
	stop   <-chan struct{}
	round  uint32
	buffer [32 * 1024]byte
}

// walk brings a tree up to date, and is whether anything had changed. What
// cannot be read for another reason than that it is gone counts as unchanged.
// The error is that of the first directory.
func (w *walker) walk(root *tree) (changed bool, err error) {
	w.round++
	changed, err = w.visit(root)
	if err != nil {
		return changed, fmt.Errorf("cannot watch %s: %w", root.path, err)
	}
	return changed, nil
}

func (w *walker) visit(t *tree) (changed bool, err error) {
	select {
	case <-w.stop:
		return false, nil
	default:
	}
	fd, err := openDirectory(t.path)
	if isGone(err) {
		changed = len(t.files)+len(t.trees) > 0
		clear(t.files)
		clear(t.trees)
		return changed, err
	}
	if err != nil {
		return false, err
	}
	changed, complete := w.compare(fd, t)
	_ = syscall.Close(fd)
	if complete && w.sweep(t) {
		changed = true
	}
	for _, below := range t.trees {
		// Their errors are no news: the next round sees what is gone.
		different, _ := w.visit(below)
		changed = changed || different
	}
	return changed, nil
}

// compare takes in all that is in a directory; complete is false when there
// may be more.
func (w *walker) compare(fd int, t *tree) (changed, complete bool) {
	for {
		n, err := readDirectory(fd, w.buffer[:])
		if err != nil {
			return changed, false
		}
		if n <= 0 {
			return changed, true
		}
		for data := w.buffer[:n]; len(data) > 0; {
			e, size, ok := parseDirent(data)
			if !ok {
				return changed, false
			}
			data = data[size:]
			if !e.itself() && w.meet(fd, t, e) {
				changed = true
			}
		}
	}
}

// meet takes in one name of a directory, and is whether it is new or changed.
func (w *walker) meet(fd int, t *tree, e dirent) bool {
	var status syscall.Stat_t
	directory := e.kind == syscall.DT_DIR
	if !directory {
		err := statAt(fd, unsafe.Pointer(&e.name[0]), &status)
		if isGone(err) {
			return false
		}
		directory = err == nil && status.Mode&syscall.S_IFMT == syscall.S_IFDIR
		if known := t.files[string(e.text())]; err != nil && known != nil {
			known.round = w.round
			return false
		}
	}
	if directory {
		return w.meetTree(t, e.text())
	}
	found := stamp{modified: status.Mtim.Nano(), size: status.Size, inode: status.Ino, mode: status.Mode}
	known := t.files[string(e.text())]
	if known == nil {
		t.files[string(e.text())] = &file{stamp: found, round: w.round}
		return true
	}
	known.round = w.round
	if known.stamp == found {
		return false
	}
	known.stamp = found
	return true
}

func (w *walker) meetTree(t *tree, name []byte) bool {
	if ignored(string(name)) {
		return false
	}
	known := t.trees[string(name)]
	if known != nil {
		known.round = w.round
		return false
	}
	below := newTree(t.path + "/" + string(name))
	below.round = w.round
	t.trees[string(name)] = below
	return true
}

// sweep forgets what was not seen in this round, and is whether there was any.
func (w *walker) sweep(t *tree) (changed bool) {
	for name, known := range t.files {
		if known.round != w.round {
			delete(t.files, name)
			changed = true
		}
	}
	for name, known := range t.trees {
		if known.round != w.round {
			delete(t.trees, name)
			changed = true
		}
	}
	return changed
}

func isGone(err error) bool {
	return errors.Is(err, syscall.ENOENT) || errors.Is(err, syscall.ENOTDIR) || errors.Is(err, syscall.ELOOP)
}
