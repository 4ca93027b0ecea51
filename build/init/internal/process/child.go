// Package process starts the runtime, reads its output, and buries it and
// every orphan that process 1 inherits.
package process

import (
	"fmt"
	"os"
	"strconv"
	"sync/atomic"
	"syscall"
)

// Spec says what to start.
type Spec struct {
	Path string
	// Args do not include the program's name.
	Args []string
	Env  []string
	// Dir is the working directory; empty is the current one.
	Dir string
	// Stdout and Stderr take what the process writes. The same Sink for
	// both gives them one pipe, and so keeps their order.
	Stdout, Stderr *Sink
}

// Exit is how a process ended.
type Exit struct{ status syscall.WaitStatus }

// Clean is whether the process ended by itself with code 0.
func (e Exit) Clean() bool { return e.status.Exited() && e.status.ExitStatus() == 0 }

// String is the wording of Lambda's messages.
func (e Exit) String() string {
	if e.status.Signaled() {
		text := "signal: " + e.status.Signal().String()
		if e.status.CoreDump() {
			text += " (core dumped)"
		}
		return text
	}
	return "exit status " + strconv.Itoa(e.status.ExitStatus())
}

// Child is a started process, the leader of a process group of its own.
type Child struct {
	pid     int
	streams []*stream
	memory  *statusFile
	group   peakGroup
	peak    atomic.Int64

	done chan struct{}
	exit Exit
}

// PID is the process id.
func (c *Child) PID() int { return c.pid }

// Done is closed when the process has ended.
func (c *Child) Done() <-chan struct{} { return c.done }

// Exit says how it ended; only after Done.
func (c *Child) Exit() Exit { return c.exit }

// Kill ends the whole process group at once.
func (c *Child) Kill() { c.Signal(syscall.SIGKILL) }

// Signal sends a signal to the whole process group, which outlives its leader
// as long as one of the leader's children does.
func (c *Child) Signal(signal syscall.Signal) {
	select {
	case <-c.done:
		// Its number may be somebody else's by now.
		return
	default:
	}
	// The only possible failure is that nobody is left.
	_ = syscall.Kill(-c.pid, signal)
}

// Drain hands on what the process has written so far.
func (c *Child) Drain() {
	for _, s := range c.streams {
		s.drain()
	}
}

// PeakMemory is the most memory that the process and all that it started have
// held so far, in bytes; see group for who that is, and its measure for the
// limits of the sum. Of who ended unseen only the largest is known, and only
// at the child's own end.
func (c *Child) PeakMemory() int64 {
	peak := c.raisePeak(c.memory.peak())
	select {
	case <-c.done:
		return peak
	default:
		return c.raisePeak(c.group.peak())
	}
}

func (c *Child) raisePeak(peak int64) int64 {
	for {
		known := c.peak.Load()
		if peak <= known {
			return known
		}
		if c.peak.CompareAndSwap(known, peak) {
			return peak
		}
	}
}

// ended is called once, by the Supervisor.
func (c *Child) ended(status syscall.WaitStatus, peak int64) {
	c.exit = Exit{status}
	c.raisePeak(peak)
	c.Kill()
	for _, s := range c.streams {
		s.drain()
		s.close()
	}
	c.memory.close()
	close(c.done)
}

// start runs the process; the Supervisor's lock is held, so that it cannot be
// buried before it is known.
func start(spec Spec) (*Child, error) {
	null, err := os.Open(os.DevNull)
	if err != nil {
		return nil, fmt.Errorf("the runtime's standard input: %w", err)
	}
	defer func() { _ = null.Close() }()

	child := &Child{done: make(chan struct{})}
	stdout, err := newStream(spec.Stdout)
	if err != nil {
		return nil, err
	}
	child.streams = append(child.streams, stdout)
	stderr := stdout
	if spec.Stderr != spec.Stdout {
		if stderr, err = newStream(spec.Stderr); err != nil {
			child.closeStreams()
			return nil, err
		}
		child.streams = append(child.streams, stderr)
	}
	child.pid, err = syscall.ForkExec(spec.Path, append([]string{spec.Path}, spec.Args...), &syscall.ProcAttr{
		Dir:   spec.Dir,
		Env:   spec.Env,
		Files: []uintptr{null.Fd(), uintptr(stdout.writeEnd), uintptr(stderr.writeEnd)},
		Sys:   &syscall.SysProcAttr{Setpgid: true},
	})
	for _, s := range child.streams {
		s.started()
	}
	if err != nil {
		child.closeStreams()
		return nil, &os.PathError{Op: "fork/exec", Path: spec.Path, Err: err}
	}
	child.memory = openPeak(child.pid)
	child.group.group = newGroup(child.pid)
	for _, s := range child.streams {
		go s.pump()
	}
	return child, nil
}

func (c *Child) closeStreams() {
	for _, s := range c.streams {
		s.close()
	}
}
