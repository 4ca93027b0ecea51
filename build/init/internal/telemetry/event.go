// Package telemetry is Lambda's Telemetry API: what happens in an execution
// environment as records, and their way to the extensions that have subscribed
// to them. The records are those of the JSON log format, too.
package telemetry

import (
	"bytes"
	"encoding/json"
	"strings"
	"time"
)

// Kind is a class of events that an extension subscribes to. Kinds are bits,
// and a set of them is their sum.
type Kind uint8

// The kinds of events.
const (
	Platform  Kind = 1 << iota // what the platform tells
	Function                   // what the function logs
	Extension                  // what extensions log

	noKind   Kind = 0
	allKinds      = Platform | Function | Extension
)

// String is the name that subscriptions have for the kind.
func (k Kind) String() string {
	switch k {
	case Platform:
		return "platform"
	case Function:
		return "function"
	case Extension:
		return "extension"
	default:
		return "none"
	}
}

// kindNamed is the kind of that name; noKind if there is none.
func kindNamed(name string) Kind {
	for kind := Platform; kind <= Extension; kind <<= 1 {
		if kind.String() == name {
			return kind
		}
	}
	return noKind
}

// Event is something that has happened.
type Event struct {
	Time time.Time
	// Type is such as platform.start, or function or extension for a line that
	// was logged.
	Type string
	// Record is one of this package's records, a line as a string, or anything
	// that has a JSON form.
	Record any
}

// kind is what the event's type belongs to.
func (e Event) kind() Kind {
	if strings.HasPrefix(e.Type, "platform.") {
		return Platform
	}
	return kindNamed(e.Type)
}

// AppendJSON appends the event as one line of JSON, without an end of line.
func (e Event) AppendJSON(out []byte) []byte {
	out = appendHead(out, e.Time, e.Type)
	out = appendRecord(out, e.Record)
	return append(out, '}')
}

// appendHead appends an event up to its record.
func appendHead(out []byte, at time.Time, eventType string) []byte {
	out = append(out, `{"time":`...)
	out = appendTime(out, at)
	out = append(out, `,"type":`...)
	out = appendString(out, eventType)
	return append(out, `,"record":`...)
}

// appender is a record that knows its JSON form: no reflection for what is
// written with every invocation.
type appender interface {
	appendJSON(out []byte) []byte
}

func appendRecord(out []byte, record any) []byte {
	switch record := record.(type) {
	case appender:
		return record.appendJSON(out)
	case string:
		return appendString(out, record)
	}
	var buffer bytes.Buffer
	encoder := json.NewEncoder(&buffer)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(record); err != nil {
		// Whoever reads the record is told why it has nothing to say.
		return appendString(out, "the record has no JSON form: "+err.Error())
	}
	return append(out, bytes.TrimSuffix(buffer.Bytes(), []byte("\n"))...)
}
