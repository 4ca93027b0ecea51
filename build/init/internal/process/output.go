package process

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"sync"
	"syscall"
)

// TailBytes is how much of the output a caller may ask for.
const TailBytes = 4096

// Sink takes the runtime's output: it hands it on, and keeps the end of it
// while somebody wants to see that.
type Sink struct {
	mu    sync.Mutex
	to    io.Writer
	fix   bool
	tail  *Tail
	lines Lines
}

// Lines takes the output while somebody has subscribed to it.
type Lines struct {
	Wanted func() bool
	Take   interface {
		Write(chunk []byte)
		Flush()
	}
}

// NewSink returns a Sink that writes to w. fix turns \r into \n.
func NewSink(w io.Writer, fix bool, tail *Tail, lines Lines) *Sink {
	return &Sink{to: w, fix: fix, tail: tail, lines: lines}
}

func (s *Sink) write(chunk []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fix {
		replace(chunk, '\r', '\n')
	}
	s.tail.add(chunk)
	if s.lines.Take != nil && s.lines.Wanted() {
		s.lines.Take.Write(chunk)
	}
	// Output that nobody takes any more must not stop the runtime.
	_, _ = s.to.Write(chunk)
}

// end is called when no more will come.
func (s *Sink) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.lines.Take != nil {
		s.lines.Take.Flush()
	}
}

func replace(chunk []byte, from, to byte) {
	for {
		i := bytes.IndexByte(chunk, from)
		if i < 0 {
			return
		}
		chunk[i] = to
		chunk = chunk[i+1:]
	}
}

// Tail keeps the last TailBytes of what its Sinks take.
type Tail struct {
	mu   sync.Mutex
	on   bool
	data []byte
}

// Begin starts afresh.
func (t *Tail) Begin() {
	t.mu.Lock()
	t.on, t.data = true, t.data[:0]
	t.mu.Unlock()
}

// End returns what was kept and keeps no more.
func (t *Tail) End() []byte {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.on = false
	return append([]byte(nil), t.data...)
}

func (t *Tail) add(chunk []byte) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.on {
		return
	}
	if len(chunk) >= TailBytes {
		t.data = append(t.data[:0], chunk[len(chunk)-TailBytes:]...)
		return
	}
	if over := len(t.data) + len(chunk) - TailBytes; over > 0 {
		t.data = append(t.data[:0], t.data[over:]...)
	}
	t.data = append(t.data, chunk...)
}

// pipeCapacity is the most a pipe holds by default, and so the most that a
// process can have written when it is asked about.
const pipeCapacity = 64 * 1024

// stream is one pipe from a process. A goroutine pumps it; an invocation that
// ends drains it itself, so that what the runtime wrote before its answer is
// logged before the END line.
type stream struct {
	sink     *Sink
	file     *os.File
	conn     syscall.RawConn
	writeEnd int

	mu     sync.Mutex
	fd     int
	buffer []byte
	closed bool
}

func newStream(sink *Sink) (*stream, error) {
	var fds [2]int
	if err := syscall.Pipe2(fds[:], syscall.O_CLOEXEC); err != nil {
		return nil, fmt.Errorf("a pipe for the runtime's output: %w", err)
	}
	// Only our end: the runtime expects writes that block.
	if err := syscall.SetNonblock(fds[0], true); err != nil {
		return nil, fmt.Errorf("a pipe for the runtime's output: %w", err)
	}
	s := &stream{
		sink:     sink,
		file:     os.NewFile(uintptr(fds[0]), "runtime output"),
		writeEnd: fds[1],
		fd:       fds[0],
		buffer:   make([]byte, 8*1024),
	}
	conn, err := s.file.SyscallConn()
	if err != nil {
		return nil, fmt.Errorf("a pipe for the runtime's output: %w", err)
	}
	s.conn = conn
	return s, nil
}

// started closes the end that now belongs to the process.
func (s *stream) started() { _ = syscall.Close(s.writeEnd) }

// pump reads until the pipe ends or is closed.
func (s *stream) pump() {
	ended := false
	for !ended {
		err := s.conn.Read(func(uintptr) bool {
			var n int
			n, ended = s.readOnce()
			return ended || n > 0
		})
		if err != nil {
			return
		}
	}
}

// drain reads what is there now.
func (s *stream) drain() {
	for total := 0; total < pipeCapacity; {
		n, ended := s.readOnce()
		if ended || n == 0 {
			return
		}
		total += n
	}
}

// readOnce reads without waiting and hands on what it got; n is 0 when there
// is nothing yet.
func (s *stream) readOnce() (n int, ended bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return 0, true
	}
	for {
		n, err := syscall.Read(s.fd, s.buffer)
		switch {
		case err == syscall.EINTR:
			continue
		case err == syscall.EAGAIN:
			return 0, false
		case err != nil || n <= 0:
			return 0, true
		}
		s.sink.write(s.buffer[:n])
		return n, false
	}
}

func (s *stream) close() {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.sink.end()
	_ = s.file.Close()
}
