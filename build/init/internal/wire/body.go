package wire

import (
	"errors"
	"io"
)

// ErrTooLarge is a body beyond its limit.
var ErrTooLarge = errors.New("the body is too large")

var errChunk = errors.New("a chunk of the body is malformed")

const (
	// maxLine bounds a line between chunks.
	maxLine = 4 << 10
	// maxExcess is by how much the lines between chunks may outweigh them.
	maxExcess = 16 << 10
	// atOnce is the length up to which memory is set aside for a body before
	// it has come.
	atOnce = 16 << 20
)

// body reads one request's body from its connection.
type body struct {
	in *input
	// left is what is still to come: of the whole body, or of the chunk at
	// hand.
	left    int64
	chunked bool
	begun   bool // a chunk has been read, whose line end is still to come
	excess  int64
	done    bool
	err     error
	// goOn tells a caller that waits for it to send the body.
	goOn    func() error
	trailer Header
}

func newBody(in *input, h *head, goOn func() error) body {
	b := body{in: in, left: h.length, chunked: h.length < 0}
	if h.expects {
		b.goOn = goOn
	}
	if b.chunked {
		b.left = 0
	} else {
		b.done = h.length == 0
	}
	return b
}

// Read reads what is there of the body, at least one byte.
func (b *body) Read(p []byte) (int, error) {
	if b.err != nil {
		return 0, b.err
	}
	n, err := b.read(p)
	if err != nil && err != io.EOF {
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		b.err = err
	}
	return n, err
}

func (b *body) read(p []byte) (int, error) {
	if err := b.await(); err != nil {
		return 0, err
	}
	if b.chunked && b.left == 0 && !b.done {
		if err := b.nextChunk(); err != nil {
			return 0, noEOF(err)
		}
	}
	if b.done {
		return 0, io.EOF
	}
	if int64(len(p)) > b.left {
		p = p[:b.left]
	}
	n, err := b.in.read(p)
	b.left -= int64(n)
	if b.left == 0 && !b.chunked {
		b.done = true
	}
	if n > 0 {
		return n, nil
	}
	return 0, noEOF(err)
}

// await has the caller send the body, if it waits for that.
func (b *body) await() error {
	if b.goOn == nil || b.done {
		return nil
	}
	goOn := b.goOn
	b.goOn = nil
	if b.in.buffered() > 0 {
		return nil
	}
	return goOn()
}

func noEOF(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

// nextChunk reads a chunk's line, and after the last one the trailer.
func (b *body) nextChunk() error {
	if b.begun {
		line, err := b.in.line(maxLine)
		if err != nil {
			return err
		}
		if len(line) != 0 {
			return errChunk
		}
	}
	b.begun = true
	line, err := b.in.line(maxLine)
	if err != nil {
		return err
	}
	size, err := parseChunkSize(line)
	if err != nil {
		return err
	}
	// A line of usual length, and any before a chunk of some size, are free.
	b.excess = max(b.excess+int64(len(line))-16-2*size, 0)
	if b.excess > maxExcess {
		return errChunk
	}
	if size > 0 {
		b.left = size
		return nil
	}
	if err := b.readTrailer(); err != nil {
		return err
	}
	b.done = true
	return nil
}

func (b *body) readTrailer() error {
	for total := 0; ; {
		line, err := b.in.line(maxHead)
		if err != nil {
			return err
		}
		if len(line) == 0 {
			return nil
		}
		if total += len(line) + 2; total > maxHead {
			return ErrTooLarge
		}
		fields, err := parseFields(string(line)+"\n", b.trailer)
		if err != nil {
			return err
		}
		b.trailer = fields
	}
}

// parseChunkSize reads a chunk's length, in hex; what follows a semicolon is
// nobody's concern.
func parseChunkSize(line []byte) (int64, error) {
	var size int64
	digits := 0
	for i, c := range line {
		var digit byte
		switch {
		case '0' <= c && c <= '9':
			digit = c - '0'
		case 'a' <= lower(c) && lower(c) <= 'f':
			digit = lower(c) - 'a' + 10
		case (c == ';' || c == ' ' || c == '\t') && digits > 0:
			if rest := trim(string(line[i:])); rest != "" && rest[0] != ';' {
				return 0, errChunk
			}
			return size, nil
		default:
			return 0, errChunk
		}
		if digits++; digits > 15 {
			return 0, errChunk
		}
		size = size<<4 | int64(digit)
	}
	if digits == 0 {
		return 0, errChunk
	}
	return size, nil
}

// all reads the whole body, up to limit bytes; 0 is no limit. One whose length
// is known is read into memory of that size, without a copy in between.
func (b *body) all(limit int64) ([]byte, error) {
	if b.done || b.err != nil {
		return nil, b.err
	}
	if limit > 0 && b.left > limit {
		return nil, ErrTooLarge
	}
	if b.chunked || b.left > atOnce {
		return b.allPieces(limit)
	}
	if err := b.await(); err != nil {
		b.err = err
		return nil, err
	}
	whole := make([]byte, b.left)
	for at := 0; at < len(whole); {
		n, err := b.Read(whole[at:])
		if err != nil {
			return nil, noEOF(err)
		}
		at += n
	}
	return whole, nil
}

// allPieces reads a body whose length is not known, or not to be believed.
func (b *body) allPieces(limit int64) ([]byte, error) {
	whole := make([]byte, 0, 4096)
	for {
		if len(whole) == cap(whole) {
			whole = append(whole, 0)[:len(whole)]
		}
		n, err := b.Read(whole[len(whole):cap(whole)])
		whole = whole[:len(whole)+n]
		if limit > 0 && int64(len(whole)) > limit {
			return nil, ErrTooLarge
		}
		if err == io.EOF {
			return whole, nil
		}
		if err != nil {
			return nil, err
		}
	}
}

// discard reads what is left, up to limit bytes; false when there is more.
func (b *body) discard(limit int64) bool {
	if b.goOn != nil {
		// The caller was never told to send it, and may or may not.
		return b.done
	}
	var scrap [4096]byte
	for limit > 0 {
		n, err := b.Read(scrap[:])
		limit -= int64(n)
		if err != nil {
			return err == io.EOF
		}
	}
	return b.done
}
