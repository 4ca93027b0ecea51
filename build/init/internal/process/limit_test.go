package process

import (
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

const megabyte = 1 << 20

// hogVariable has this program hold memory instead of testing, in the process
// that its value says: "self:MB", "child:MB", or "detached:MB" (a child in a
// session of its own).
const hogVariable = "IMAGEMILL_TEST_HOG"

func init() {
	what, size, found := strings.Cut(os.Getenv(hogVariable), ":")
	if !found {
		return
	}
	if what == "self" {
		hog(size)
	}
	child := exec.Command(os.Args[0])
	child.Env = []string{hogVariable + "=self:" + size}
	child.Stdout = os.Stdout
	child.SysProcAttr = &syscall.SysProcAttr{Setsid: what == "detached"}
	if err := child.Run(); err != nil {
		os.Exit(1)
	}
	os.Exit(0)
}

// hog holds that many megabytes, says so with its number, and waits to be
// killed; for not longer than a test may take.
func hog(size string) {
	megabytes, err := strconv.Atoi(size)
	if err != nil {
		os.Exit(2)
	}
	held, err := syscall.Mmap(-1, 0, megabytes*megabyte, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err != nil {
		os.Exit(3)
	}
	for i := 0; i < len(held); i += os.Getpagesize() {
		held[i] = 1
	}
	_, _ = os.Stdout.WriteString(strconv.Itoa(os.Getpid()) + "\n")
	time.Sleep(patience)
	os.Exit(4)
}

// startHog starts one, which says its number on the output.
func startHog(t *testing.T, what string) (*Child, *buffer) {
	t.Helper()
	s := NewSupervisor(false)
	t.Cleanup(s.Close)
	out := &buffer{}
	sink := NewSink(out, false, &Tail{}, Lines{})
	child, err := s.Start(Spec{Path: os.Args[0], Env: []string{hogVariable + "=" + what}, Stdout: sink, Stderr: sink})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(child.Kill)
	return child, out
}

// until waits for something that comes about by itself.
func until(t *testing.T, what string, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !condition(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal(what)
		}
	}
}

func holding(t *testing.T, out *buffer) int {
	t.Helper()
	until(t, "the process does not say that it holds its memory", func() bool { return strings.Contains(out.String(), "\n") })
	pid, err := strconv.Atoi(strings.TrimSpace(out.String()))
	if err != nil {
		t.Fatal(err)
	}
	return pid
}

func TestEnforceMemory(t *testing.T) {
	for _, what := range []string{"self", "child", "detached"} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			child, out := startHog(t, what+":96")
			pid := holding(t, out)
			t.Cleanup(func() { _ = syscall.Kill(pid, syscall.SIGKILL) })
			var calls, used atomic.Int64
			began := time.Now()
			stop := child.EnforceMemory(64*megabyte, func(bytes int64) {
				calls.Add(1)
				used.Store(bytes)
				select {
				case <-child.Done():
					t.Error("killed before it was said")
				default:
				}
			})
			defer stop()
			if exit := await(t, child); exit.String() != "signal: killed" {
				t.Errorf("found %q", exit)
			}
			if took := time.Since(began); took > time.Second {
				t.Errorf("it took %v", took)
			}
			if calls.Load() != 1 || used.Load() < 96*megabyte || used.Load() > 160*megabyte {
				t.Errorf("%d calls, the last with %d bytes", calls.Load(), used.Load())
			}
			until(t, "the one that holds the memory lives on", func() bool { return ended(pid) })
		})
	}
}

// ended is whether a process is no more, or only waits to be buried.
func ended(pid int) bool {
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	return err != nil || strings.Contains(string(text), ") Z ")
}

func TestEnforceMemoryBelowTheLimit(t *testing.T) {
	child, out := startHog(t, "child:32")
	holding(t, out)
	l := &limit{child: child, group: newGroup(child.pid), bytes: 256 * megabyte, stop: make(chan struct{})}
	if excess := l.excess(); excess != 0 {
		t.Errorf("%d bytes count as too much", excess)
	}
	// The memory was seen, nevertheless.
	if peak := child.peak.Load(); peak < 32*megabyte {
		t.Errorf("the peak is %d", peak)
	}
	// And the watch itself lets it live, and is ended by the child's end.
	over := make(chan struct{})
	go func() { l.run(func(int64) { t.Error("it is said to be too much") }); close(over) }()
	select {
	case <-over:
		t.Fatal("the watch has ended by itself")
	case <-child.Done():
		t.Fatal("the child was killed")
	case <-time.After(5 * limitInterval):
	}
	child.Kill()
	await(t, child)
	select {
	case <-over:
	case <-time.After(patience):
		t.Fatal("the watch does not end with the child")
	}
}

func TestEnforceMemoryStops(t *testing.T) {
	child, out := startHog(t, "self:64")
	holding(t, out)
	l := &limit{child: child, group: newGroup(child.pid), bytes: megabyte, stop: make(chan struct{})}
	close(l.stop)
	l.run(func(int64) { t.Error("it is said to be too much") })
	if l.excess() == 0 {
		t.Error("there is no excess to be stopped from seeing")
	}
	// No limit, no watch; and an end that can be called again.
	for _, bytes := range []int64{0, -1, 1 << 40} {
		stop := child.EnforceMemory(bytes, func(int64) { t.Error("it is said to be too much") })
		stop()
		stop()
	}
}

// The peak of a grandchild counts, also in a session of its own, and is not
// forgotten.
func TestPeakMemoryOfAll(t *testing.T) {
	for _, what := range []string{"child", "detached"} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			child, out := startHog(t, what+":64")
			pid := holding(t, out)
			peak := child.PeakMemory()
			if leader := child.memory.peak(); peak < leader+64*megabyte {
				t.Errorf("found %d, of that %d of the leader", peak, leader)
			}
			_ = syscall.Kill(pid, syscall.SIGKILL)
			await(t, child)
			if later := child.PeakMemory(); later < peak {
				t.Errorf("%d was %d before", later, peak)
			}
		})
	}
}

// Pages that a fork shares count once: the sum over a shell and its copies is
// beyond the limit, what they hold together is not.
func TestSharedPagesCountOnce(t *testing.T) {
	var out buffer
	child := shell(t, `x=0123456789abcdef; i=0
while [ $i -lt 20 ]; do x=$x$x; i=$((i+1)); done
for copy in 1 2 3; do (echo ready; sleep 1000; : "$x") & done; wait`, NewSink(&out, false, &Tail{}, Lines{}))
	until(t, "the copies do not start", func() bool { return strings.Count(out.String(), "ready") == 3 })
	g := newGroup(child.pid)
	g.scan()
	_, sum := g.measure()
	together, ok := g.proportional()
	if !ok {
		t.Skip("the kernel does not tell what is shared")
	}
	if sum < 2*together || together < 16*megabyte {
		t.Fatalf("%d bytes together, and %d in sum", together, sum)
	}
	l := &limit{child: child, group: g, bytes: (sum + together) / 2, stop: make(chan struct{})}
	if excess := l.excess(); excess != 0 {
		t.Errorf("%d bytes count as too much, but %d are held", excess, together)
	}
	l.bytes = together / 2
	if excess := l.excess(); excess < together*9/10 || excess > together*11/10 {
		t.Errorf("%d bytes count as too much, but %d are held", excess, together)
	}
}

func BenchmarkPeakMemory(b *testing.B) {
	child := &Child{pid: os.Getpid(), done: make(chan struct{}), memory: openPeak(os.Getpid())}
	child.group.group = newGroup(child.pid)
	defer child.memory.close()
	b.ReportAllocs()
	for b.Loop() {
		if child.PeakMemory() <= 0 {
			b.Fatal("no peak")
		}
	}
}
