package platformlog

import "strings"

// Level is how much a record matters.
type Level int

// The levels that platform records have.
const (
	Debug Level = iota
	Info
	Warn
)

// ParseLevel reads the name of a level.
func ParseLevel(name string) (Level, bool) {
	switch strings.ToUpper(name) {
	case "DEBUG":
		return Debug, true
	case "INFO":
		return Info, true
	case "WARN":
		return Warn, true
	default:
		return Info, false
	}
}
