// Package platformlog writes the platform's own log lines: START, END and
// REPORT of every invocation, and the lines that say the program is ready.
package platformlog

import (
	"io"
	"math"
	"strconv"
	"time"
)

const (
	green = "\x1b[32m"
	reset = "\x1b[0m"
)

// Logger writes platform lines, each with one write, so that they neither
// mix with the runtime's nor reach a reader in parts.
type Logger struct {
	to    io.Writer
	color bool
}

// New returns a Logger that writes to w.
func New(w io.Writer, color bool) *Logger { return &Logger{to: w, color: color} }

// Report is what an END and REPORT line tell.
type Report struct {
	RequestID string
	// Init is the duration of the init phase; 0 when there was none.
	Init       time.Duration
	Duration   time.Duration
	MemorySize string
	// PeakMemory is in bytes.
	PeakMemory int64
}

// Start writes the START line.
func (l *Logger) Start(requestID, version string) {
	l.write(l.line(make([]byte, 0, 128), "START RequestId: "+requestID+" Version: "+version))
}

// End writes the END and the REPORT line.
func (l *Logger) End(r Report) {
	out := l.line(make([]byte, 0, 384), "END RequestId: "+r.RequestID)
	l.write(l.line(out, reportLine(r)))
}

// Line writes a line as the other platform lines.
func (l *Logger) Line(text string) { l.write(l.line(nil, text)) }

func (l *Logger) line(out []byte, text string) []byte {
	if l.color {
		out = append(out, green...)
	}
	out = append(out, text...)
	if l.color {
		out = append(out, reset...)
	}
	return append(out, '\n')
}

func (l *Logger) write(out []byte) {
	// A log that nobody takes is no reason to fail an invocation.
	_, _ = l.to.Write(out)
}

func reportLine(r Report) string {
	const megabyte = 1 << 20
	line := make([]byte, 0, 256)
	line = append(line, "REPORT RequestId: "...)
	line = append(line, r.RequestID...)
	line = append(line, '\t')
	if r.Init > 0 {
		line = append(line, "Init Duration: "...)
		line = appendMilliseconds(line, r.Init)
		line = append(line, " ms\t"...)
	}
	line = append(line, "Duration: "...)
	line = appendMilliseconds(line, r.Duration)
	line = append(line, " ms\tBilled Duration: "...)
	line = strconv.AppendInt(line, int64(math.Ceil(milliseconds(r.Duration))), 10)
	line = append(line, " ms\tMemory Size: "...)
	line = append(line, r.MemorySize...)
	line = append(line, " MB\tMax Memory Used: "...)
	line = strconv.AppendInt(line, (r.PeakMemory+megabyte-1)/megabyte, 10)
	line = append(line, " MB\t"...)
	return string(line)
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

func appendMilliseconds(line []byte, d time.Duration) []byte {
	return strconv.AppendFloat(line, milliseconds(d), 'f', 2, 64)
}

// Readiness is the emulator's first line. Tools wait for the part in
// parentheses, and some look for it in one chunk of output.
func Readiness(now time.Time, command, directory, handler string) string {
	return now.UTC().Format("02 Jan 2006 15:04:05,000") + " [INFO] (rapid) exec '" + command +
		"' (cwd=" + directory + ", handler=" + handler + ")\n"
}
