package process

import (
	"os"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"time"
)

// A scan of /proc may take a part of the time between two of them, so that
// many processes on the machine cost no more than few; but it is due after
// scanLongest in any case, and then takes what it takes.
const (
	// peakShare: for the peak memory, which is asked for between two
	// invocations, a hundredth.
	peakShare   = 100
	scanLongest = time.Second
)

// group are the processes of a runtime: those in the process group that its
// leader was started as, and all descendants of these, which may have left it
// for a group or session of their own (as browsers do that a runtime starts).
// Lost is only who left the group and whose parent has ended.
//
// It is for one goroutine at a time.
type group struct {
	leader int
	// proc is where the proc file system is.
	proc string

	members []member
	table   []entry
	buffer  []byte
	scanned time.Time
	cost    time.Duration
}

// member is a process of the group.
type member struct {
	entry
	memory memory
	// twin: it borrows the memory of its parent, and is not to be counted.
	twin bool
}

func newGroup(leader int) *group {
	return &group{leader: leader, proc: "/proc", buffer: make([]byte, statusSize)}
}

// due is whether a scan is allowed again, when scans may take one part in
// share of the time.
func (g *group) due(now time.Time, share time.Duration) bool {
	return g.scanned.IsZero() || now.Sub(g.scanned) >= min(g.cost*share, scanLongest)
}

// scan finds the members. Where /proc cannot be read that is the leader alone.
func (g *group) scan() {
	began := time.Now()
	g.list()
	g.members = g.members[:0]
	for g.adopt() {
		// Once more: a parent can come after its child in the table.
	}
	if len(g.members) == 0 {
		g.members = append(g.members, member{entry: entry{pid: g.leader, group: g.leader}})
	}
	g.scanned = time.Now()
	g.cost = g.scanned.Sub(began)
}

// list fills the table with all processes that can be seen.
func (g *group) list() {
	g.table = g.table[:0]
	directory, err := os.Open(g.proc)
	if err != nil {
		return
	}
	defer func() { _ = directory.Close() }()
	// Half a list is better than none.
	names, _ := directory.Readdirnames(-1)
	for _, name := range names {
		if name[0] < '0' || name[0] > '9' {
			continue
		}
		// A process that is gone already, or hidden, is left out.
		if found, ok := parseEntry(g.read(name, "stat")); ok {
			g.table = append(g.table, found)
		}
	}
}

// adopt moves members from the table; false when there are no more.
func (g *group) adopt() bool {
	rest := g.table[:0]
	before := len(g.members)
	for _, e := range g.table {
		if e.pid == g.leader || e.group == g.leader || g.has(e.parent) {
			g.members = append(g.members, member{entry: e})
		} else {
			rest = append(rest, e)
		}
	}
	g.table = rest
	return len(g.members) > before
}

func (g *group) has(pid int) bool {
	return slices.ContainsFunc(g.members, func(m member) bool { return m.pid == pid })
}

// measure reads what each member holds, and sums it: the peaks of the living,
// and what they use now.
//
// The sum of the peaks is more than there ever was when the members had
// theirs at different times, or when they share pages (those of the same
// libraries, or a parent's from before a fork); and it is less by what ended
// between two scans.
func (g *group) measure() (peak, used int64) {
	for i := range g.members {
		m := &g.members[i]
		m.memory = parseMemory(g.read(strconv.Itoa(m.pid), "status"))
	}
	for i := range g.members {
		m := &g.members[i]
		m.twin = g.isTwin(m)
		if !m.twin {
			peak += m.memory.peak
			used += m.memory.used()
		}
	}
	return peak, used
}

// isTwin is whether the process runs in its parent's memory, as one does
// between vfork and exec. Then all figures are the same; a copy made by fork
// differs at once, since it is made without the pages of files.
func (g *group) isTwin(m *member) bool {
	if m.memory.size == 0 {
		return false
	}
	return slices.ContainsFunc(g.members, func(other member) bool {
		return other.pid == m.parent && other.memory == m.memory
	})
}

// read reads the beginning of a process's file, into the group's buffer. It
// is empty when it cannot be had.
func (g *group) read(pid, name string) []byte {
	fd, err := syscall.Open(g.proc+"/"+pid+"/"+name, syscall.O_RDONLY|syscall.O_CLOEXEC, 0)
	if err != nil {
		return nil
	}
	defer func() { _ = syscall.Close(fd) }()
	n, err := syscall.Read(fd, g.buffer)
	if err != nil || n <= 0 {
		return nil
	}
	return g.buffer[:n]
}

// peakGroup is a group that is asked for its peak memory, by any goroutine.
type peakGroup struct {
	mu    sync.Mutex
	group *group
}

// peak is the sum of the members' peaks; 0 when it was asked a moment ago, or
// is being asked by somebody else.
func (p *peakGroup) peak() int64 {
	if !p.mu.TryLock() {
		return 0
	}
	defer p.mu.Unlock()
	if !p.group.due(time.Now(), peakShare) {
		return 0
	}
	p.group.scan()
	peak, _ := p.group.measure()
	return peak
}
