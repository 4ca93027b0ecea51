package watch

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

const patience = 10 * time.Second

func write(t *testing.T, path string) {
	t.Helper()
	if err := os.WriteFile(path, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
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
		{"removed file", func(t *testing.T, dir string) {
			if err := os.Remove(filepath.Join(dir, "old")); err != nil {
				t.Fatal(err)
			}
		}},
		{"renamed file", func(t *testing.T, dir string) {
			if err := os.Rename(filepath.Join(dir, "old"), filepath.Join(dir, "other")); err != nil {
				t.Fatal(err)
			}
		}},
		{"new directory", func(t *testing.T, dir string) {
			if err := os.Mkdir(filepath.Join(dir, "later"), 0o700); err != nil {
				t.Fatal(err)
			}
		}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			if err := os.Mkdir(filepath.Join(dir, "sub"), 0o700); err != nil {
				t.Fatal(err)
			}
			write(t, filepath.Join(dir, "old"))
			write(t, filepath.Join(dir, "sub", "old"))
			w, err := New(dir)
			if err != nil {
				t.Fatal(err)
			}
			defer w.Close()
			c.change(t, dir)
			expectChange(t, w)
		})
	}
}

func expectChange(t *testing.T, w *Watcher) {
	t.Helper()
	select {
	case <-w.Changes:
	case <-time.After(patience):
		t.Fatal("the change was not seen")
	}
}

func TestNewDirectoryIsWatched(t *testing.T) {
	dir := t.TempDir()
	w, err := New(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	later := filepath.Join(dir, "later")
	if err := os.Mkdir(later, 0o700); err != nil {
		t.Fatal(err)
	}
	expectChange(t, w)
	write(t, filepath.Join(later, "file"))
	expectChange(t, w)
}

func TestCompiledPythonIsIgnored(t *testing.T) {
	dir := t.TempDir()
	w, err := New(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	cache := filepath.Join(dir, "__pycache__")
	if err := os.Mkdir(cache, 0o700); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(cache, "app.pyc"))
	select {
	case <-w.Changes:
		t.Error("a compiled file counts as a change")
	case <-time.After(3 * quiet):
	}
}

func TestMissingDirectory(t *testing.T) {
	if _, err := New(filepath.Join(t.TempDir(), "missing")); err == nil {
		t.Error("expected an error")
	}
}
