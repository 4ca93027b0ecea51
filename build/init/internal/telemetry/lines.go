package telemetry

import (
	"bytes"
	"unicode/utf8"
)

// maxLine is what a line may hold; a longer one is cut into pieces.
const maxLine = 256 << 10

// keptLine is how much memory for lines that come in parts is kept.
const keptLine = 8 << 10

// Lines splits a stream of bytes into lines. It is for one writer at a time.
type Lines struct {
	take func(line []byte)
	// part is the beginning of a line whose end has not come.
	part []byte
}

// NewLines returns Lines that calls take for each line, without its end. The
// line is good until take returns.
func NewLines(take func(line []byte)) *Lines { return &Lines{take: take} }

// Write takes the next bytes of the stream.
func (l *Lines) Write(chunk []byte) {
	for {
		end := bytes.IndexByte(chunk, '\n')
		if end < 0 {
			l.keep(chunk)
			return
		}
		l.whole(chunk[:end])
		chunk = chunk[end+1:]
	}
}

// Flush ends the stream: what there is of a line is one.
func (l *Lines) Flush() {
	if len(l.part) > 0 {
		l.whole(nil)
	}
}

// whole takes the end of a line. A line that came in one chunk is not copied.
func (l *Lines) whole(rest []byte) {
	if len(l.part) == 0 {
		l.take(l.cut(rest))
		return
	}
	l.keep(rest)
	l.take(l.part)
	l.forget()
}

// keep adds to the line that has begun.
func (l *Lines) keep(chunk []byte) {
	if len(l.part) == 0 {
		chunk = l.cut(chunk)
	}
	for {
		fits := min(maxLine+1-len(l.part), len(chunk))
		l.part = append(l.part, chunk[:fits]...)
		chunk = chunk[fits:]
		if len(l.part) <= maxLine {
			return
		}
		l.part = append(l.part[:0], l.cut(l.part)...)
	}
}

// cut takes the pieces of a line that is too long, and returns what is left.
func (l *Lines) cut(line []byte) []byte {
	for len(line) > maxLine {
		at := pieceEnd(line)
		l.take(line[:at])
		line = line[at:]
	}
	return line
}

func (l *Lines) forget() {
	if cap(l.part) > keptLine {
		l.part = nil
	}
	l.part = l.part[:0]
}

// pieceEnd is where a line is cut that is longer than maxLine: not within a
// character, if it is text.
func pieceEnd(line []byte) int {
	for at := maxLine; at > maxLine-utf8.UTFMax; at-- {
		if utf8.RuneStart(line[at]) {
			return at
		}
	}
	return maxLine
}
