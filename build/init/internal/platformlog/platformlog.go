// Package platformlog writes the platform's own log lines: START, END and
// REPORT of every invocation, and the lines that say the program is ready.
package platformlog

import (
	"io"
	"math"
	"strconv"
	"strings"
	"time"

	"imagemill/init/internal/telemetry"
)

const (
	green = "\x1b[32m"
	reset = "\x1b[0m"
)

// Format is how platform lines are written.
type Format struct {
	// Color makes them green.
	Color bool
	// JSON writes records in their place, from Level on.
	JSON  bool
	Level Level
}

// Logger writes platform lines, each with one write, so that they neither
// mix with the runtime's nor reach a reader in parts.
type Logger struct {
	to io.Writer
	Format
}

// New returns a Logger that writes to w.
func New(w io.Writer, format Format) *Logger { return &Logger{w, format} }

// Report is what an END and REPORT line tell.
type Report struct {
	RequestID string
	// Init is the duration of the init phase; 0 when there was none.
	Init     time.Duration
	Duration time.Duration
	// MemorySize is in megabytes, PeakMemory in bytes.
	MemorySize int
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

// InitReport writes how an init ended that went wrong. phase is init, or
// invoke when it was part of an invocation.
func (l *Logger) InitReport(d time.Duration, phase, status, errorType string) {
	line := append([]byte("INIT_REPORT Init Duration: "), appendMilliseconds(nil, d)...)
	line = append(line, " ms\tPhase: "+phase+"\tStatus: "+status...)
	if errorType != "" {
		line = append(line, "\tError Type: "+errorType...)
	}
	l.Line(string(line))
}

// Extension writes that an extension is ready.
func (l *Logger) Extension(name string, events []string) {
	l.Line("EXTENSION\tName: " + name + "\tState: Ready\tEvents: [" + strings.Join(events, ", ") + "]")
}

// Subscription writes that an extension gets telemetry of those types.
func (l *Logger) Subscription(name string, types []string) {
	l.Line("TELEMETRY\tName: " + name + "\tState: Subscribed\tTypes: [" + strings.Join(types, ", ") + "]")
}

// Record writes a record, if its level is enough.
func (l *Logger) Record(level Level, e telemetry.Event) {
	if level >= l.Level {
		l.write(append(e.AppendJSON(make([]byte, 0, 512)), '\n'))
	}
}

func (l *Logger) line(out []byte, text string) []byte {
	if l.Color {
		out = append(out, green...)
	}
	out = append(out, text...)
	if l.Color {
		out = append(out, reset...)
	}
	return append(out, '\n')
}

func (l *Logger) write(out []byte) {
	// A log that nobody takes is no reason to fail an invocation.
	_, _ = l.to.Write(out)
}

func reportLine(r Report) string {
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
	line = strconv.AppendInt(line, Billed(r.Duration), 10)
	line = append(line, " ms\tMemory Size: "...)
	line = strconv.AppendInt(line, int64(r.MemorySize), 10)
	line = append(line, " MB\tMax Memory Used: "...)
	line = strconv.AppendInt(line, Megabytes(r.PeakMemory), 10)
	line = append(line, " MB\t"...)
	return string(line)
}

// Megabytes are those that bytes take.
func Megabytes(bytes int64) int64 { return (bytes + 1<<20 - 1) >> 20 }

// Billed is what Lambda bills for a duration, in milliseconds.
func Billed(d time.Duration) int64 { return int64(math.Ceil(milliseconds(d))) }

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
