package watch

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// looking is a poller that looks only when told to.
func looking(t testing.TB, roots ...string) *poller {
	t.Helper()
	p, err := newPoller(time.Hour, nil, roots)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestLook(t *testing.T) {
	old := time.Unix(1_000_000, 0)
	cases := []struct {
		name    string
		change  func(t *testing.T, dir string)
		changed bool
	}{
		{"nothing", func(*testing.T, string) {}, false},
		{"read", func(t *testing.T, dir string) {
			_, err := os.ReadFile(filepath.Join(dir, "old"))
			must(t, err)
		}, false},
		{"time", func(t *testing.T, dir string) { must(t, os.Chtimes(filepath.Join(dir, "old"), old, old)) }, true},
		{"mode", func(t *testing.T, dir string) { must(t, os.Chmod(filepath.Join(dir, "old"), 0o700)) }, true},
		{"another file with the same time and size", func(t *testing.T, dir string) {
			info, err := os.Stat(filepath.Join(dir, "old"))
			must(t, err)
			must(t, os.WriteFile(filepath.Join(dir, "new"), []byte("y"), 0o600))
			must(t, os.Chtimes(filepath.Join(dir, "new"), info.ModTime(), info.ModTime()))
			must(t, os.Rename(filepath.Join(dir, "new"), filepath.Join(dir, "old")))
		}, true},
		{"directory in place of a file", func(t *testing.T, dir string) {
			must(t, os.Remove(filepath.Join(dir, "old")))
			must(t, os.Mkdir(filepath.Join(dir, "old"), 0o700))
		}, true},
		{"link in place of a directory", func(t *testing.T, dir string) {
			must(t, os.Rename(filepath.Join(dir, "sub"), filepath.Join(t.TempDir(), "sub")))
			must(t, os.Symlink("/", filepath.Join(dir, "sub")))
		}, true},
		{"all gone", func(t *testing.T, dir string) { must(t, os.RemoveAll(dir)) }, true},
		{"time of a directory", func(t *testing.T, dir string) { must(t, os.Chtimes(filepath.Join(dir, "sub"), old, old)) }, false},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			dir := directory(t)
			p := looking(t, dir)
			c.change(t, dir)
			if changed, _ := p.look(); changed != c.changed {
				t.Errorf("expected %v, found %v", c.changed, changed)
			}
			if again, _ := p.look(); again {
				t.Error("the same change is seen twice")
			}
		})
	}
}

func TestRootThatComesBack(t *testing.T) {
	dir := directory(t)
	p := looking(t, dir)
	away := dir + "-away"
	must(t, os.Rename(dir, away))
	t.Cleanup(func() { _ = os.RemoveAll(away) })
	if changed, _ := p.look(); !changed {
		t.Error("the directory is gone unseen")
	}
	must(t, os.Rename(away, dir))
	if changed, _ := p.look(); !changed {
		t.Error("the directory is back unseen")
	}
}

// What cannot be read for the moment has not changed.
func TestUnreadableDirectory(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Skip("root reads everything")
	}
	dir := directory(t)
	p := looking(t, dir)
	sub := filepath.Join(dir, "sub")
	for _, mode := range []os.FileMode{0o000, 0o400, 0o700} {
		must(t, os.Chmod(sub, mode))
		if changed, _ := p.look(); changed {
			t.Errorf("mode %o of a directory counts as a change", mode)
		}
	}
}

// More names than one reading of a directory yields.
func TestLargeDirectory(t *testing.T) {
	dir := t.TempDir()
	fill(t, dir, 1, 700)
	p := looking(t, dir)
	if found := len(p.trees[0].trees["d0"].files); found != 700 {
		t.Fatalf("expected 700 files, found %d", found)
	}
	must(t, os.Remove(filepath.Join(dir, "d0", "file-with-a-name-that-is-usual-699")))
	if changed, _ := p.look(); !changed {
		t.Error("the change was not seen")
	}
}

func TestPause(t *testing.T) {
	cases := []struct {
		name                           string
		interval, cost, took, expected time.Duration
	}{
		{"cheap", 500 * time.Millisecond, time.Millisecond, 2 * time.Millisecond, 500 * time.Millisecond},
		{"much work", 500 * time.Millisecond, 100 * time.Millisecond, 120 * time.Millisecond, 2 * time.Second},
		{"slow answers", 500 * time.Millisecond, 10 * time.Millisecond, 3 * time.Second, 3 * time.Second},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if found := pause(c.interval, c.cost, c.took); found != c.expected {
				t.Errorf("expected %v, found %v", c.expected, found)
			}
		})
	}
}

func TestDefaultInterval(t *testing.T) {
	p, err := newPoller(0, nil, nil)
	must(t, err)
	if p.interval != defaultInterval {
		t.Errorf("found %v", p.interval)
	}
}

func TestWalkAllocatesNothingForAFile(t *testing.T) {
	few, many := t.TempDir(), t.TempDir()
	fill(t, few, 1, 1)
	fill(t, many, 1, 200)
	allocations := func(dir string) float64 {
		p := looking(t, dir)
		return testing.AllocsPerRun(10, func() { _, _ = p.walker.walk(p.trees[0]) })
	}
	if a, b := allocations(few), allocations(many); b > a {
		t.Errorf("%v allocations for one file, %v for 200", a, b)
	}
}

// fill makes directories with files.
func fill(t testing.TB, dir string, directories, files int) {
	t.Helper()
	for d := range directories {
		sub := filepath.Join(dir, fmt.Sprintf("d%d", d))
		if err := os.Mkdir(sub, 0o700); err != nil {
			t.Fatal(err)
		}
		for f := range files {
			path := filepath.Join(sub, fmt.Sprintf("file-with-a-name-that-is-usual-%d", f))
			if err := os.WriteFile(path, nil, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func BenchmarkLook(b *testing.B) {
	for _, size := range []struct{ directories, files int }{{1, 10}, {20, 50}, {200, 50}} {
		b.Run(fmt.Sprintf("%d files", size.directories*size.files), func(b *testing.B) {
			dir := b.TempDir()
			fill(b, dir, size.directories, size.files)
			p := looking(b, dir)
			b.ReportAllocs()
			for b.Loop() {
				if changed, _ := p.look(); changed {
					b.Fatal("nothing has changed")
				}
			}
		})
	}
}
