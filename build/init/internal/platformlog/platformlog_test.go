package platformlog

import (
	"bytes"
	"regexp"
	"strings"
	"testing"
	"time"
)

// writes counts writes, as a line must be one.
type writes []string

func (w *writes) Write(p []byte) (int, error) {
	*w = append(*w, string(p))
	return len(p), nil
}

func TestLines(t *testing.T) {
	report := Report{RequestID: "id", Init: 12345678, Duration: 1234567, MemorySize: 1536, PeakMemory: 40 << 20}
	cases := []struct {
		name     string
		color    bool
		write    func(*Logger)
		expected string
	}{
		{"start", false, func(l *Logger) { l.Start("id", "$LATEST") }, "START RequestId: id Version: $LATEST\n"},
		{"start, green", true, func(l *Logger) { l.Start("id", "1") }, "\x1b[32mSTART RequestId: id Version: 1\x1b[0m\n"},
		{"end", false, func(l *Logger) { l.End(report) }, "END RequestId: id\nREPORT RequestId: id\tInit Duration: 12.35 ms\tDuration: 1.23 ms\tBilled Duration: 2 ms\tMemory Size: 1536 MB\tMax Memory Used: 40 MB\t\n"},
		{"end, no init", false, func(l *Logger) {
			l.End(Report{RequestID: "id", Duration: time.Second, MemorySize: 128, PeakMemory: 1})
		}, "END RequestId: id\nREPORT RequestId: id\tDuration: 1000.00 ms\tBilled Duration: 1000 ms\tMemory Size: 128 MB\tMax Memory Used: 1 MB\t\n"},
		{"init report", false, func(l *Logger) { l.InitReport(1234567, "init", "error", "Runtime.ExitError") }, "INIT_REPORT Init Duration: 1.23 ms\tPhase: init\tStatus: error\tError Type: Runtime.ExitError\n"},
		{"init report, timeout", false, func(l *Logger) { l.InitReport(time.Second, "invoke", "timeout", "") }, "INIT_REPORT Init Duration: 1000.00 ms\tPhase: invoke\tStatus: timeout\n"},
		{"extension", false, func(l *Logger) { l.Extension("e", []string{"INVOKE", "SHUTDOWN"}) }, "EXTENSION\tName: e\tState: Ready\tEvents: [INVOKE, SHUTDOWN]\n"},
		{"extension, no events", false, func(l *Logger) { l.Extension("e", nil) }, "EXTENSION\tName: e\tState: Ready\tEvents: []\n"},
		{"subscription", false, func(l *Logger) { l.Subscription("e", []string{"Platform", "Function"}) }, "TELEMETRY\tName: e\tState: Subscribed\tTypes: [Platform, Function]\n"},
		{"line", true, func(l *Logger) { l.Line("x") }, "\x1b[32mx\x1b[0m\n"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			var out writes
			c.write(New(&out, Format{Color: c.color}))
			if len(out) != 1 || out[0] != c.expected {
				t.Errorf("expected %q in one write, found %q", c.expected, out)
			}
		})
	}
}

// What AWS SAM CLI waits for.
func TestReportForSAM(t *testing.T) {
	var out bytes.Buffer
	New(&out, Format{}).End(Report{RequestID: "id", MemorySize: 128})
	line := strings.Split(out.String(), "\n")[1]
	sam := regexp.MustCompile(`(.*\s)?REPORT RequestId:\s.+ Duration:\s.+\sMemory Size:\s.+\sMax Memory Used:\s.+`)
	if !sam.MatchString(line) {
		t.Errorf("%q does not match", line)
	}
}

func TestReadiness(t *testing.T) {
	found := Readiness(time.Date(2026, 8, 1, 2, 3, 4, 5e6, time.UTC), "/var/runtime/bootstrap", "/var/task", "")
	expected := "01 Aug 2026 02:03:04,005 [INFO] (rapid) exec '/var/runtime/bootstrap' (cwd=/var/task, handler=)\n"
	if found != expected {
		t.Errorf("expected %q, found %q", expected, found)
	}
}
