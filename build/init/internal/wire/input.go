package wire

import (
	"bytes"
	"io"
	"net"
	"time"
)

const (
	// maxHead is what Lambda allows for a request's line and header.
	maxHead = 1 << 20
	// firstBuffer is for the heads that come; a larger one is given back.
	firstBuffer = 4 << 10
)

// input reads a connection through a buffer.
type input struct {
	conn net.Conn
	data []byte
	r, w int
}

func newInput(conn net.Conn) *input { return &input{conn: conn, data: make([]byte, firstBuffer)} }

func (in *input) buffered() int { return in.w - in.r }

// fill waits for more bytes and puts them behind those that are there.
func (in *input) fill() error {
	if in.r == in.w {
		in.r, in.w = 0, 0
		if len(in.data) > firstBuffer {
			in.data = make([]byte, firstBuffer)
		}
	} else if in.w == len(in.data) {
		if in.r > 0 {
			in.w = copy(in.data, in.data[in.r:in.w])
			in.r = 0
		} else {
			in.data = append(in.data, make([]byte, len(in.data))...)
		}
	}
	n, err := in.conn.Read(in.data[in.w:])
	in.w += n
	if n > 0 {
		return nil
	}
	if err == nil {
		err = io.ErrNoProgress
	}
	return err
}

// read reads from the buffer, or past it.
func (in *input) read(p []byte) (int, error) {
	if in.r < in.w {
		n := copy(p, in.data[in.r:in.w])
		in.r += n
		return n, nil
	}
	if len(p) >= firstBuffer {
		return in.conn.Read(p)
	}
	if err := in.fill(); err != nil {
		return 0, err
	}
	return in.read(p)
}

// line reads a line of at most limit bytes, without its end. It is good until
// the next read. The end must be \r\n, and no other \r be in the line: those
// who disagree on where a line ends let requests be smuggled.
func (in *input) line(limit int) ([]byte, error) {
	seen := 0
	for {
		if i := bytes.IndexByte(in.data[in.r+seen:in.w], '\n'); i >= 0 {
			line := in.data[in.r : in.r+seen+i]
			in.r += seen + i + 1
			if len(line) > limit {
				return nil, ErrTooLarge
			}
			if len(line) == 0 || bytes.IndexByte(line, '\r') != len(line)-1 {
				return nil, errChunk
			}
			return line[:len(line)-1], nil
		}
		if seen = in.buffered(); seen > limit {
			return nil, ErrTooLarge
		}
		if err := in.fill(); err != nil {
			return nil, err
		}
	}
}

// head reads a whole head, as one string. Once its first byte is there, the
// rest must be within patience.
func (in *input) head(patience time.Duration) (string, error) {
	if in.buffered() == 0 {
		if err := in.fill(); err != nil {
			return "", err
		}
	}
	in.skipEmptyLines()
	scanned, timed := 0, false
	for {
		if end := headEnd(in.data[in.r:in.w], scanned); end > 0 && end <= maxHead {
			text := string(in.data[in.r : in.r+end])
			in.r += end
			if timed {
				return text, in.conn.SetReadDeadline(time.Time{})
			}
			return text, nil
		}
		if scanned = in.buffered(); scanned >= maxHead {
			return "", &refusal{431, "the header is too large"}
		}
		if !timed {
			timed = true
			if err := in.conn.SetReadDeadline(after(patience)); err != nil {
				return "", err
			}
		}
		if err := in.fill(); err != nil {
			return "", noEOF(err)
		}
		if scanned == 0 {
			in.skipEmptyLines()
		}
	}
}

// after is the deadline that is patience away; 0 is none.
func after(patience time.Duration) time.Time {
	if patience == 0 {
		return time.Time{}
	}
	return time.Now().Add(patience)
}

// skipEmptyLines passes over what careless callers send after a body.
func (in *input) skipEmptyLines() {
	for in.r < in.w && (in.data[in.r] == '\r' || in.data[in.r] == '\n') {
		in.r++
	}
}

// headEnd is where the empty line ends; 0 when it has not come. What is before
// scanned has been looked at.
func headEnd(data []byte, scanned int) int {
	for at := max(scanned-2, 0); ; {
		i := bytes.IndexByte(data[at:], '\n')
		if i < 0 {
			return 0
		}
		at += i + 1
		switch {
		case at < len(data) && data[at] == '\n':
			return at + 1
		case at+1 < len(data) && data[at] == '\r' && data[at+1] == '\n':
			return at + 2
		}
	}
}
