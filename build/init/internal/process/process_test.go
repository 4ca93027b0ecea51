package process

import (
	"bytes"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

const patience = 10 * time.Second

type buffer struct {
	mu   sync.Mutex
	data bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.data.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.data.String()
}

func shell(t *testing.T, script string, sink *Sink) *Child {
	t.Helper()
	s := NewSupervisor(false)
	t.Cleanup(s.Close)
	child, err := s.Start(Spec{Path: "/bin/sh", Args: []string{"-c", script}, Stdout: sink, Stderr: sink})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(child.Kill)
	return child
}

func await(t *testing.T, child *Child) Exit {
	t.Helper()
	select {
	case <-child.Done():
		return child.Exit()
	case <-time.After(patience):
		t.Fatal("the process does not end")
		return Exit{}
	}
}

func TestExit(t *testing.T) {
	cases := []struct {
		script, expected string
		clean            bool
	}{
		{"exit 0", "exit status 0", true},
		{"exit 42", "exit status 42", false},
		{"kill -9 $$", "signal: killed", false},
		{"kill -TERM $$", "signal: terminated", false},
	}
	for _, c := range cases {
		t.Run(c.script, func(t *testing.T) {
			exit := await(t, shell(t, c.script, NewSink(&buffer{}, false, &Tail{}, Lines{})))
			if exit.String() != c.expected || exit.Clean() != c.clean {
				t.Errorf("expected %q, found %q, clean %v", c.expected, exit, exit.Clean())
			}
		})
	}
}

func TestOutputIsCompleteAtTheEnd(t *testing.T) {
	var out buffer
	child := shell(t, `i=0; while [ $i -lt 2000 ]; do echo "line $i"; i=$((i+1)); done; printf 'a\rb' >&2`, NewSink(&out, true, &Tail{}, Lines{}))
	await(t, child)
	lines := strings.Split(out.String(), "\n")
	if len(lines) != 2002 || lines[1999] != "line 1999" || lines[2000] != "a" || lines[2001] != "b" {
		t.Errorf("found %d lines, the last of them %q", len(lines), lines[len(lines)-1])
	}
}

func TestKillReachesTheGroup(t *testing.T) {
	var out buffer
	// The grandchild holds the pipe open, and would for ever.
	child := shell(t, "sleep 1000 & wait", NewSink(&out, false, &Tail{}, Lines{}))
	child.Kill()
	if exit := await(t, child); exit.String() != "signal: killed" {
		t.Errorf("found %q", exit)
	}
}

func TestGrandchildDoesNotHoldUpTheEnd(t *testing.T) {
	child := shell(t, "sleep 1000 & exit 3", NewSink(&buffer{}, false, &Tail{}, Lines{}))
	if exit := await(t, child); exit.String() != "exit status 3" {
		t.Errorf("found %q", exit)
	}
}

func TestPeakMemory(t *testing.T) {
	child := shell(t, "exit 0", NewSink(&buffer{}, false, &Tail{}, Lines{}))
	await(t, child)
	if child.PeakMemory() <= 0 {
		t.Error("no peak memory of an ended process")
	}
}

func TestStartFailure(t *testing.T) {
	s := NewSupervisor(false)
	defer s.Close()
	sink := NewSink(&buffer{}, false, &Tail{}, Lines{})
	if _, err := s.Start(Spec{Path: "/no/such", Stdout: sink, Stderr: sink}); err == nil {
		t.Error("expected an error")
	}
}

func TestTail(t *testing.T) {
	cases := []struct {
		name     string
		chunks   []string
		expected string
	}{
		{"short", []string{"a", "b"}, "ab"},
		{"over in parts", []string{strings.Repeat("a", 4000), strings.Repeat("b", 200)}, strings.Repeat("a", 3896) + strings.Repeat("b", 200)},
		{"over at once", []string{"x", strings.Repeat("a", 5000)}, strings.Repeat("a", 4096)},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			var tail Tail
			sink := NewSink(&buffer{}, false, &tail, Lines{})
			sink.write([]byte("before"))
			tail.Begin()
			for _, chunk := range c.chunks {
				sink.write([]byte(chunk))
			}
			if found := string(tail.End()); found != c.expected {
				t.Errorf("expected %d bytes, found %d", len(c.expected), len(found))
			}
		})
	}
}

// As process 1 would, this test adopts orphans: PR_SET_CHILD_SUBREAPER.
func TestOrphansAreBuried(t *testing.T) {
	const setChildSubreaper = 36
	if _, _, errno := syscall.RawSyscall(syscall.SYS_PRCTL, setChildSubreaper, 1, 0); errno != 0 {
		t.Skip("cannot adopt orphans: ", errno)
	}
	defer syscall.RawSyscall(syscall.SYS_PRCTL, setChildSubreaper, 0, 0)
	s := NewSupervisor(true)
	defer s.Close()
	var out buffer
	sink := NewSink(&out, false, &Tail{}, Lines{})
	child, err := s.Start(Spec{Path: "/bin/sh", Args: []string{"-c", "(sleep 1000 & echo $!); exit 5"}, Stdout: sink, Stderr: sink})
	if err != nil {
		t.Fatal(err)
	}
	// The group is killed with its leader, and the orphan with it.
	if exit := await(t, child); exit.String() != "exit status 5" {
		t.Errorf("the child's own end is lost: %v", exit)
	}
	orphan, err := strconv.Atoi(strings.TrimSpace(out.String()))
	if err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(patience); syscall.Kill(orphan, 0) == nil; {
		if time.Now().After(deadline) {
			t.Fatal("the orphan is not buried")
		}
	}
}
