package process

import (
	"bytes"
	"strconv"
)

// proportional is what the members use together, each page that several of
// them share divided among these (Pss, the proportional set size). It is much
// slower than measure, after which it comes; false when the kernel does not
// tell it, or not to us.
func (g *group) proportional() (int64, bool) {
	sum, known := int64(0), false
	for _, m := range g.members {
		if m.twin || m.memory.size == 0 {
			continue
		}
		part, ok := parseRollup(g.read(strconv.Itoa(m.pid), "smaps_rollup"))
		if !ok {
			if g.gone(m) {
				continue
			}
			return 0, false
		}
		sum, known = sum+part, true
	}
	return sum, known
}

// gone is whether a member has ended since it was measured.
func (g *group) gone(m member) bool {
	return parseMemory(g.read(strconv.Itoa(m.pid), "status")).size == 0
}

// parseRollup reads a smaps_rollup file: the share in anonymous and shared
// memory. A kernel before 5.9 does not tell these apart from files' pages, and
// the whole has to do.
func parseRollup(rollup []byte) (int64, bool) {
	var whole, anonymous, shared int64
	found, apart := false, false
	for line := range bytes.Lines(rollup) {
		name, value, _ := bytes.Cut(line, []byte(":"))
		switch string(name) {
		case "Pss":
			whole, found = parseKilobytes(value), true
		case "Pss_Anon":
			anonymous, apart = parseKilobytes(value), true
		case "Pss_Shmem":
			shared = parseKilobytes(value)
		}
	}
	if apart {
		return anonymous + shared, true
	}
	return whole, found
}
