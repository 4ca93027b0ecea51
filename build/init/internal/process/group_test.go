package process

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"
)

// stat is a stat file as the kernel writes it.
func stat(pid int, name string, parent, group int) string {
	return fmt.Sprintf("%d (%s) S %d %d %d 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 %d 1000 10 18446744073709551615\n",
		pid, name, parent, group, group, 500+pid)
}

func TestParseEntry(t *testing.T) {
	cases := []struct {
		name, stat string
		expected   entry
		ok         bool
	}{
		{"usual", stat(12, "sh", 3, 7), entry{12, 3, 7, 512}, true},
		{"spaces", stat(12, "a b  c", 3, 7), entry{12, 3, 7, 512}, true},
		{"parentheses", stat(12, ") S 9 9 (", 3, 7), entry{12, 3, 7, 512}, true},
		{"line end", stat(12, "x\n13 (y) S 1 1", 3, 7), entry{12, 3, 7, 512}, true},
		{"no name", stat(12, "", 3, 7), entry{12, 3, 7, 512}, true},
		{"child of somebody outside", stat(12, "sh", 0, 0), entry{12, 0, 0, 512}, true},
		{"cut off", "12 (sh) S 3 7 7 0", entry{}, false},
		{"no parentheses", "12 sh S 3 7", entry{}, false},
		{"wrong way round", "12 )sh( S 3 7", entry{}, false},
		{"no number", "x (sh) S 3 7", entry{}, false},
		{"start that is no number", "1()0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 A", entry{}, false},
		{"negative", stat(12, "sh", -3, 7), entry{}, false},
		{"empty", "", entry{}, false},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if found, ok := parseEntry([]byte(c.stat)); found != c.expected || ok != c.ok {
				t.Errorf("expected %+v, %v, found %+v, %v", c.expected, c.ok, found, ok)
			}
		})
	}
}

func FuzzParseEntry(f *testing.F) {
	f.Add([]byte(stat(1, "init", 0, 1)))
	f.Add([]byte(stat(12, ") S 9 9 (", 3, 7)))
	f.Add([]byte("1 (x) S 1 1"))
	f.Add([]byte("1()0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 A"))
	f.Fuzz(func(t *testing.T, text []byte) {
		found, ok := parseEntry(text)
		if ok && (found.pid <= 0 || found.parent < 0 || found.group < 0) || !ok && found != (entry{}) {
			t.Errorf("found %+v, %v", found, ok)
		}
	})
}

// proc makes a directory like /proc. Whoever has no status is hidden.
func proc(t testing.TB, stats, statuses map[int]string) string {
	t.Helper()
	dir := t.TempDir()
	put := func(pid int, name, text string) {
		of := filepath.Join(dir, strconv.Itoa(pid))
		if err := os.MkdirAll(of, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(of, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for pid, text := range stats {
		put(pid, "stat", text)
	}
	for pid, text := range statuses {
		put(pid, "status", text)
	}
	// As /proc has it, not all are processes.
	for _, name := range []string{"self", "99999"} {
		if err := os.Mkdir(filepath.Join(dir, name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// status is the part of a status file about memory, in kilobytes.
func status(size, peak, anonymous, files int) string {
	return fmt.Sprintf("Name:\tx\nVmSize:\t%d kB\nVmHWM:\t%d kB\nVmRSS:\t%d kB\nRssAnon:\t%d kB\nRssFile:\t%d kB\nRssShmem:\t0 kB\n",
		size, peak, anonymous+files, anonymous, files)
}

func TestGroup(t *testing.T) {
	stats := map[int]string{
		1:  stat(1, "init", 0, 1),
		20: stat(20, "bootstrap", 1, 20),
		21: stat(21, "of the group", 20, 20),
		22: stat(22, "orphan of the group", 1, 20),
		// A browser, whose child has the lower number.
		31: stat(31, "left the group", 21, 31),
		5:  stat(5, "child of who left", 31, 5),
		40: stat(40, "extension", 1, 40),
		41: stat(41, "no file that can be read", 40, 40),
	}
	statuses := map[int]string{
		20: status(900, 100, 50, 10), 21: status(800, 200, 60, 10), 22: status(700, 300, 70, 10),
		31: status(600, 400, 80, 10), 5: status(500, 500, 90, 10), 40: status(400, 9000, 9000, 10),
	}
	cases := []struct {
		name       string
		change     func(stats, statuses map[int]string)
		members    []int
		peak, used int64
	}{
		{"all", func(_, _ map[int]string) {}, []int{5, 20, 21, 22, 31}, 1500, 350},
		{"in the memory of its parent", func(_, statuses map[int]string) { statuses[21] = statuses[20] },
			[]int{5, 20, 21, 22, 31}, 1300, 290},
		{"same figures, but no parent", func(_, statuses map[int]string) { statuses[22] = statuses[20] },
			[]int{5, 20, 21, 22, 31}, 1300, 330},
		{"hidden memory", func(_, statuses map[int]string) { delete(statuses, 31) }, []int{5, 20, 21, 22, 31}, 1100, 270},
		{"hidden process", func(stats, _ map[int]string) { delete(stats, 31) }, []int{20, 21, 22}, 600, 180},
		{"all hidden", func(stats, _ map[int]string) { clear(stats) }, []int{20}, 100, 50},
		{"ended", func(_, statuses map[int]string) { statuses[20] = "Name:\tx\nState:\tZ (zombie)\n" },
			[]int{5, 20, 21, 22, 31}, 1400, 300},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			stats, statuses := clone(stats), clone(statuses)
			c.change(stats, statuses)
			g := newGroup(20)
			g.proc = proc(t, stats, statuses)
			for range 2 {
				g.scan()
				var members []int
				for _, m := range g.members {
					members = append(members, m.pid)
				}
				slices.Sort(members)
				if !slices.Equal(members, c.members) {
					t.Errorf("expected %v, found %v", c.members, members)
				}
				if peak, used := g.measure(); peak != c.peak<<10 || used != c.used<<10 {
					t.Errorf("expected %d and %d, found %d and %d", c.peak<<10, c.used<<10, peak, used)
				}
			}
		})
	}
}

func clone(m map[int]string) map[int]string {
	out := map[int]string{}
	for key, value := range m {
		out[key] = value
	}
	return out
}

func TestGroupWithoutProc(t *testing.T) {
	g := newGroup(20)
	g.proc = filepath.Join(t.TempDir(), "missing")
	g.scan()
	if len(g.members) != 1 || g.members[0].pid != 20 {
		t.Errorf("found %+v", g.members)
	}
	if peak, used := g.measure(); peak != 0 || used != 0 {
		t.Errorf("found %d and %d", peak, used)
	}
}

func TestDue(t *testing.T) {
	now := time.Now()
	cases := []struct {
		name        string
		cost, since time.Duration
		expected    bool
	}{
		{"cheap", 100 * time.Microsecond, 10 * time.Millisecond, true},
		{"cheap, at once", 100 * time.Microsecond, 9 * time.Millisecond, false},
		{"many processes", 500 * time.Millisecond, 999 * time.Millisecond, false},
		{"many processes, later", 500 * time.Millisecond, time.Second, true},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			g := &group{scanned: now.Add(-c.since), cost: c.cost}
			if found := g.due(now, peakShare); found != c.expected {
				t.Errorf("expected %v, found %v", c.expected, found)
			}
		})
	}
	if !(&group{}).due(now, peakShare) {
		t.Error("the first scan is not due")
	}
}

// A scan that is under way is not waited for.
func TestPeakOfBusyGroup(t *testing.T) {
	p := peakGroup{group: newGroup(os.Getpid())}
	p.mu.Lock()
	if found := p.peak(); found != 0 {
		t.Errorf("found %d", found)
	}
	p.mu.Unlock()
	if p.peak() <= 0 {
		t.Error("no peak of a living process")
	}
	p.group.cost = time.Hour
	if found := p.peak(); found != 0 {
		t.Errorf("a second scan at once: %d", found)
	}
}

func BenchmarkGroup(b *testing.B) {
	for _, count := range []int{5, 1000} {
		b.Run(strconv.Itoa(count)+" processes", func(b *testing.B) {
			stats := map[int]string{}
			for pid := 1; pid <= count; pid++ {
				stats[pid] = stat(pid, "x", 1, pid)
			}
			g := newGroup(count)
			g.proc = proc(b, stats, map[int]string{count: statusText})
			b.ReportAllocs()
			for b.Loop() {
				g.scan()
				g.measure()
			}
		})
	}
	b.Run("this machine", func(b *testing.B) {
		g := newGroup(os.Getpid())
		b.ReportAllocs()
		for b.Loop() {
			g.scan()
			g.measure()
		}
		b.ReportMetric(float64(len(g.table)+len(g.members)), "processes")
	})
}
