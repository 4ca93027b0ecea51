package wire

import (
	"net"
	"strconv"
	"time"
)

// Stream is an answer that is sent as it comes about.
type Stream struct {
	x *Exchange
	// limit is what the last piece was given, and the end is.
	limit time.Duration
	// bare: no body is sent, as for HEAD.
	bare bool
}

// Begin sends the head of an answer whose length nobody knows.
func (x *Exchange) Begin(status int, header Header) (*Stream, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.replied || x.broken {
		return nil, ErrGone
	}
	x.replied = true
	status = final(status)
	if x.minor == '0' {
		x.close = true
	}
	out := x.appendHead(x.conn.out[:0], status, header)
	if x.minor != '0' && !bodiless(status) {
		out = append(out, "Transfer-Encoding: chunked\r\n"...)
	}
	out = append(out, "\r\n"...)
	s := &Stream{x: x, limit: replyTimeout, bare: x.Method == "HEAD" || bodiless(status)}
	return s, x.write(replyTimeout, out, nil)
}

// Write sends one piece, within limit.
func (s *Stream) Write(piece []byte, limit time.Duration) error {
	x := s.x
	x.mu.Lock()
	defer x.mu.Unlock()
	s.limit = limit
	if x.finished {
		return ErrGone
	}
	if len(piece) == 0 || s.bare {
		return nil
	}
	if x.minor == '0' {
		return s.send(piece)
	}
	size := append(strconv.AppendInt(x.conn.out[:0], int64(len(piece)), 16), "\r\n"...)
	return s.send(size, piece, []byte("\r\n"))
}

// send writes pieces within the limit. The lock is held.
func (s *Stream) send(pieces ...[]byte) error {
	err := s.x.conn.allow(s.limit)
	if err == nil {
		buffers := net.Buffers(pieces)
		_, err = buffers.WriteTo(s.x.conn.net)
	}
	if err != nil {
		s.x.cut()
	}
	return err
}

// Hurry gives a Write that is going on until limit from now.
func (s *Stream) Hurry(limit time.Duration) {
	if s.x.over() {
		return
	}
	c := s.x.conn
	_ = c.net.SetWriteDeadline(time.Now().Add(limit))
	// Only now: whoever sees it sets a deadline that lasts.
	c.hurried.Store(true)
}

// End says that there is no more.
func (s *Stream) End() error {
	x := s.x
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.finished {
		return ErrGone
	}
	defer x.finish()
	if x.minor == '0' || s.bare {
		return nil
	}
	return s.send([]byte("0\r\n\r\n"))
}

// Break ends the answer in a way that its reader cannot take for its end.
func (s *Stream) Break() {
	x := s.x
	if x.over() {
		return
	}
	if tcp, ok := x.conn.net.(interface{ SetLinger(int) error }); ok && x.minor == '0' {
		// An end without a reset would be the end of the answer.
		_ = tcp.SetLinger(0)
	}
	// Without the lock: a Write may hold it, and is to be ended by this.
	_ = x.conn.net.Close()
	x.mu.Lock()
	defer x.mu.Unlock()
	x.cut()
}
