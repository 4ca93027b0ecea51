package watch

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

const patience = 10 * time.Second

// modes are the ways to watch, fast enough for tests.
var modes = map[string]Options{
	"reported": {Poll: Never},
	"polled":   {Poll: Always, Interval: 5 * time.Millisecond},
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func write(t *testing.T, path string) {
	t.Helper()
	must(t, os.WriteFile(path, []byte("xy"), 0o600))
}

// directory has a file and one further down.
func directory(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	must(t, os.Mkdir(filepath.Join(dir, "sub"), 0o700))
	for _, path := range []string{filepath.Join(dir, "old"), filepath.Join(dir, "sub", "old")} {
		must(t, os.WriteFile(path, []byte("x"), 0o600))
	}
	return dir
}

func watching(t *testing.T, options Options, directories ...string) *Watcher {
	t.Helper()
	w, err := New(options, directories...)
	must(t, err)
	t.Cleanup(w.Close)
	return w
}

func expectChange(t *testing.T, w *Watcher) {
	t.Helper()
	select {
	case <-w.Changes:
	case <-time.After(patience):
		t.Fatal("the change was not seen")
	}
}

func expectNone(t *testing.T, w *Watcher, what string) {
	t.Helper()
	select {
	case <-w.Changes:
		t.Errorf("%s counts as a change", what)
	case <-time.After(3 * quiet):
	}
}

func TestChanges(t *testing.T) {
	cases := []struct {
		name   string
		change func(t *testing.T, dir string)
	}{
		{"new file", func(t *testing.T, dir string) { write(t, filepath.Join(dir, "new")) }},
		{"changed file", func(t *testing.T, dir string) { write(t, filepath.Join(dir, "old")) }},
		{"changed file further down", func(t *testing.T, dir string) { write(t, filepath.Join(dir, "sub", "old")) }},
		{"removed file", func(t *testing.T, dir string) { must(t, os.Remove(filepath.Join(dir, "old"))) }},
		{"renamed file", func(t *testing.T, dir string) {
			must(t, os.Rename(filepath.Join(dir, "old"), filepath.Join(dir, "other")))
		}},
		{"new directory", func(t *testing.T, dir string) { must(t, os.Mkdir(filepath.Join(dir, "later"), 0o700)) }},
		{"removed directory", func(t *testing.T, dir string) { must(t, os.RemoveAll(filepath.Join(dir, "sub"))) }},
		{"new link", func(t *testing.T, dir string) { must(t, os.Symlink("nowhere", filepath.Join(dir, "link"))) }},
	}
	for mode, options := range modes {
		for _, c := range cases {
			t.Run(mode+"/"+c.name, func(t *testing.T) {
				t.Parallel()
				dir := directory(t)
				w := watching(t, options, dir)
				c.change(t, dir)
				expectChange(t, w)
			})
		}
	}
}

func TestNewDirectoryIsWatched(t *testing.T) {
	for mode, options := range modes {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			w := watching(t, options, dir)
			later := filepath.Join(dir, "later")
			must(t, os.Mkdir(later, 0o700))
			expectChange(t, w)
			write(t, filepath.Join(later, "file"))
			expectChange(t, w)
		})
	}
}

func TestCompiledPythonIsIgnored(t *testing.T) {
	for mode, options := range modes {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			w := watching(t, options, dir)
			cache := filepath.Join(dir, "__pycache__")
			must(t, os.Mkdir(cache, 0o700))
			write(t, filepath.Join(cache, "app.pyc"))
			expectNone(t, w, "a compiled file")
		})
	}
}

// A save is one restart: many changes, one after the other, are told once.
func TestBurstIsToldOnce(t *testing.T) {
	for mode, options := range modes {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			w := watching(t, options, dir)
			last := time.Now()
			for _, name := range strings.Split("abcdefghijklmnopqrstuvwxyz", "") {
				write(t, filepath.Join(dir, name))
				if now := time.Now(); now.Sub(last) < quiet/2 {
					last = now
				} else {
					t.Skip("the machine is too busy for a burst")
				}
			}
			expectChange(t, w)
			expectNone(t, w, "the end of a burst")
		})
	}
}

func TestLinkToDirectory(t *testing.T) {
	for mode, options := range modes {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			link := filepath.Join(t.TempDir(), "link")
			must(t, os.Symlink(dir, link))
			w := watching(t, options, link)
			write(t, filepath.Join(dir, "file"))
			expectChange(t, w)
		})
	}
}

func TestUnusableDirectory(t *testing.T) {
	dir := directory(t)
	cases := []struct {
		name, path string
		expected   error
	}{
		{"missing", filepath.Join(dir, "missing"), fs.ErrNotExist},
		{"file", filepath.Join(dir, "old"), nil},
		{"name that is too long", filepath.Join(dir, strings.Repeat("x", 300)), syscall.ENAMETOOLONG},
	}
	for _, c := range cases {
		for _, poll := range []Poll{Auto, Always, Never} {
			t.Run(c.name, func(t *testing.T) {
				w, err := New(Options{Poll: poll}, dir, c.path)
				if err == nil {
					w.Close()
					t.Fatal("expected an error")
				}
				if c.expected != nil && !errors.Is(err, c.expected) {
					t.Errorf("expected %v, found %v", c.expected, err)
				}
				if !strings.HasPrefix(err.Error(), "cannot watch "+c.path) {
					t.Errorf("the error does not name the directory: %v", err)
				}
			})
		}
	}
}

// Nothing is left behind: Close is what ends the goroutines.
func TestClose(t *testing.T) {
	for mode, options := range modes {
		t.Run(mode, func(t *testing.T) {
			w := watching(t, options, directory(t))
			ended := make(chan struct{})
			go func() { w.running.Wait(); close(ended) }()
			select {
			case <-ended:
				t.Fatal("the watch ended by itself")
			case <-time.After(2 * options.Interval):
			}
			w.Close()
			w.Close()
			select {
			case <-ended:
			case <-time.After(patience):
				t.Fatal("a goroutine is left")
			}
		})
	}
}

func TestForget(t *testing.T) {
	one, other := directory(t), directory(t)
	e, err := newEvents(Never)
	must(t, err)
	t.Cleanup(func() { _ = e.close() })
	for _, root := range []string{one, other, other + "-not"} {
		must(t, os.MkdirAll(root, 0o700))
		_, err := e.watch(root)
		must(t, err)
	}
	t.Cleanup(func() { _ = os.Remove(other + "-not") })
	e.forget(other)
	for _, path := range e.paths {
		if !strings.HasPrefix(path, one) && path != other+"-not" {
			t.Errorf("%s is still watched", path)
		}
	}
	if len(e.paths) != 3 {
		t.Errorf("expected one with its directory, and the last; found %v", e.paths)
	}
}

func TestAlwaysIf(t *testing.T) {
	if AlwaysIf(true) != Always || AlwaysIf(false) != Auto {
		t.Error("the setting is not followed")
	}
}
