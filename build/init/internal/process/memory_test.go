package process

import (
	"os"
	"testing"
)

const statusText = `Name:	VmRSS: 7 kB
Umask:	0022
State:	S (sleeping)
Groups:	1 2 3
VmPeak:	    9000 kB
VmSize:	    8000 kB
VmHWM:	    3000 kB
VmRSS:	    2000 kB
RssAnon:	    1000 kB
RssFile:	     700 kB
RssShmem:	     300 kB
VmData:	    5000 kB
Threads:	1
`

func TestParseMemory(t *testing.T) {
	const kb = 1024
	cases := []struct {
		name, status string
		expected     memory
		used         int64
	}{
		{"all", statusText, memory{8000 * kb, 3000 * kb, 2000 * kb, 1000 * kb, 700 * kb, 300 * kb}, 1300 * kb},
		{"old kernel", "VmSize:\t80 kB\nVmHWM:\t30 kB\nVmRSS:\t20 kB\n", memory{size: 80 * kb, peak: 30 * kb, resident: 20 * kb}, 20 * kb},
		{"ended", "Name:\tx\nState:\tZ (zombie)\nThreads:\t1\n", memory{}, 0},
		{"cut off", "VmSize:\t80 kB\nVmHWM:\t30", memory{size: 80 * kb}, 0},
		{"no number", "VmHWM:\tmuch kB\nVmRSS:\t-1 kB\n", memory{}, 0},
		{"too large", "VmHWM:\t18446744073709551615 kB\n", memory{}, 0},
		{"empty", "", memory{}, 0},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			found := parseMemory([]byte(c.status))
			if found != c.expected || found.used() != c.used {
				t.Errorf("expected %+v and %d, found %+v and %d", c.expected, c.used, found, found.used())
			}
		})
	}
}

func FuzzParseMemory(f *testing.F) {
	f.Add([]byte(statusText))
	f.Add([]byte("VmHWM:"))
	f.Fuzz(func(t *testing.T, status []byte) {
		m := parseMemory(status)
		if min(m.size, m.peak, m.resident, m.anonymous, m.files, m.shared, m.used()) < 0 {
			t.Errorf("less than nothing: %+v", m)
		}
	})
}

func TestParseRollup(t *testing.T) {
	cases := []struct {
		name, rollup string
		expected     int64
		ok           bool
	}{
		{"apart", "1000-2000 ---p 0 00:00 0 [rollup]\nRss: 90 kB\nPss: 50 kB\nPss_Anon: 30 kB\nPss_File: 15 kB\nPss_Shmem: 5 kB\n", 35 << 10, true},
		{"old kernel", "1000-2000 ---p 0 00:00 0 [rollup]\nRss: 90 kB\nPss: 50 kB\n", 50 << 10, true},
		{"nothing", "", 0, false},
		{"something else", "Rss: 1 kB\n", 0, false},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if found, ok := parseRollup([]byte(c.rollup)); found != c.expected || ok != c.ok {
				t.Errorf("expected %d, %v, found %d, %v", c.expected, c.ok, found, ok)
			}
		})
	}
}

func FuzzParseRollup(f *testing.F) {
	f.Add([]byte("Pss: 50 kB\nPss_Anon: 30 kB\n"))
	f.Fuzz(func(t *testing.T, rollup []byte) {
		if found, ok := parseRollup(rollup); found < 0 || !ok && found != 0 {
			t.Errorf("found %d, %v", found, ok)
		}
	})
}

func TestPeakOfNobody(t *testing.T) {
	status := openPeak(1 << 30)
	defer status.close()
	if found := status.peak(); found != 0 {
		t.Errorf("found %d", found)
	}
}

func TestPeakAfterClose(t *testing.T) {
	status := openPeak(os.Getpid())
	if status.peak() <= 0 {
		t.Error("no peak of a living process")
	}
	status.close()
	if found := status.peak(); found != 0 {
		t.Errorf("found %d", found)
	}
}

func BenchmarkLeaderPeak(b *testing.B) {
	status := openPeak(os.Getpid())
	defer status.close()
	b.ReportAllocs()
	for b.Loop() {
		if status.peak() <= 0 {
			b.Fatal("no peak")
		}
	}
}
