package process

import (
	"bytes"
	"strconv"
)

// entry is a process as /proc/N/stat tells of it.
type entry struct {
	pid, parent, group int
	// started is when, in the clock ticks of the kernel: together with the
	// pid it is one process and no other.
	started uint64
}

// The fields of a stat file after the command's name, counted from 0 (the
// state); proc(5) counts them from 3.
const (
	fieldParent  = 1
	fieldGroup   = 2
	fieldStarted = 19
)

// parseEntry reads a stat file. The command's name in it may hold anything,
// spaces, parentheses and line ends too; nothing after it holds a parenthesis.
func parseEntry(stat []byte) (entry, bool) {
	open, end := bytes.IndexByte(stat, '('), bytes.LastIndexByte(stat, ')')
	if open < 0 || end < open {
		return entry{}, false
	}
	var e entry
	var ok bool
	if e.pid, ok = parsePID(bytes.TrimSpace(stat[:open])); !ok || e.pid == 0 {
		return entry{}, false
	}
	field := 0
	for value := range bytes.FieldsSeq(stat[end+1:]) {
		switch field {
		case fieldParent:
			e.parent, ok = parsePID(value)
		case fieldGroup:
			e.group, ok = parsePID(value)
		case fieldStarted:
			started, err := strconv.ParseUint(string(value), 10, 64)
			if err != nil {
				return entry{}, false
			}
			e.started = started
			return e, true
		}
		if !ok {
			return entry{}, false
		}
		field++
	}
	return entry{}, false
}

// parsePID reads the number of a process; 0 is that of none.
func parsePID(value []byte) (int, bool) {
	pid, err := strconv.ParseUint(string(value), 10, 31)
	return int(pid), err == nil
}
