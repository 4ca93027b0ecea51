package telemetry

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
)

// The protocols by which events are delivered.
const (
	httpProtocol = "HTTP"
	tcpProtocol  = "TCP"
)

// The versions of the schema. From structuredSince on, a line that is a JSON
// object is delivered as one.
const structuredSince = "2022-12-13"

var schemaVersions = []string{"2022-07-01", structuredSince, "2025-01-29"}

// limits are what a subscription may ask for, and gets when it does not.
type limits struct {
	name                  string
	standard, least, most int64
}

// From AWS's documentation of the Telemetry API.
var (
	itemLimits    = limits{"maxItems", 10000, 1000, 10000}
	byteLimits    = limits{"maxBytes", 262144, 262144, 1048576}
	timeoutLimits = limits{"timeoutMs", 1000, 25, 30000}
)

// Subscription is what an extension asks for.
type Subscription struct {
	SchemaVersion string
	Kinds         Kind
	Destination   Destination
	// A batch is delivered when it has MaxItems events or MaxBytes bytes, or
	// when its first event has waited for Timeout.
	MaxItems int
	MaxBytes int
	Timeout  time.Duration
}

// Destination is where events go.
type Destination struct {
	// Protocol is HTTP or TCP.
	Protocol string
	// Address is host and port to connect to.
	Address string
	// Host and Path are what an HTTP request says.
	Host string
	Path string
}

// TypeNames are the types of events that were asked for.
func (s Subscription) TypeNames() []string {
	names := []string{}
	for kind := Platform; kind <= Extension; kind <<= 1 {
		if s.Kinds&kind != 0 {
			names = append(names, kind.String())
		}
	}
	return names
}

// structured is whether lines that are JSON objects are delivered as such.
func (s Subscription) structured() bool { return s.SchemaVersion >= structuredSince }

// ValidationError is that a subscription cannot be accepted.
type ValidationError struct{ Faults []string }

// Error names all faults, in the way of Lambda.
func (e *ValidationError) Error() string { return strings.Join(e.Faults, "; ") }

// faults collects what is wrong.
type faults []string

func (f *faults) add(format string, args ...any) { *f = append(*f, fmt.Sprintf(format, args...)) }

// request is the body of a subscription.
type request struct {
	SchemaVersion string   `json:"schemaVersion"`
	Types         []string `json:"types"`
	Destination   *struct {
		Protocol string `json:"protocol"`
		URI      string `json:"URI"`
		Port     *int64 `json:"port"`
	} `json:"destination"`
	Buffering struct {
		MaxItems  *int64 `json:"maxItems"`
		MaxBytes  *int64 `json:"maxBytes"`
		TimeoutMS *int64 `json:"timeoutMs"`
	} `json:"buffering"`
}

// ParseSubscription reads the body of PUT /2022-07-01/telemetry. Its error is
// a *ValidationError.
func ParseSubscription(body []byte) (Subscription, error) {
	var asked request
	if err := json.Unmarshal(body, &asked); err != nil {
		return Subscription{}, &ValidationError{[]string{"the body is no subscription: " + err.Error()}}
	}
	var wrong faults
	s := Subscription{SchemaVersion: asked.SchemaVersion}
	checkVersion(asked.SchemaVersion, &wrong)
	if asked.Destination == nil {
		wrong.add("destination is not provided")
	} else {
		d := asked.Destination
		s.Destination = parseDestination(d.Protocol, d.URI, d.Port, &wrong)
	}
	s.Kinds = parseTypes(asked.Types, &wrong)
	s.MaxItems = int(itemLimits.pick(asked.Buffering.MaxItems, &wrong))
	s.MaxBytes = int(byteLimits.pick(asked.Buffering.MaxBytes, &wrong))
	s.Timeout = time.Duration(timeoutLimits.pick(asked.Buffering.TimeoutMS, &wrong)) * time.Millisecond
	if len(wrong) > 0 {
		return Subscription{}, &ValidationError{wrong}
	}
	return s, nil
}

func checkVersion(version string, wrong *faults) {
	switch {
	case version == "":
		wrong.add("schemaVersion is not provided")
	case !slices.Contains(schemaVersions, version):
		wrong.add("schemaVersion should be one of %s", strings.Join(schemaVersions, ", "))
	}
}

func parseTypes(names []string, wrong *faults) Kind {
	if len(names) == 0 {
		wrong.add("types should not be empty")
	}
	kinds := noKind
	for _, name := range names {
		kind := kindNamed(name)
		if kind == noKind {
			wrong.add("type %q is unknown; there are platform, function and extension", name)
		}
		kinds |= kind
	}
	return kinds
}

// pick is the value that was asked for, or the standard one.
func (l limits) pick(asked *int64, wrong *faults) int64 {
	if asked == nil {
		return l.standard
	}
	if *asked < l.least || *asked > l.most {
		wrong.add("%s should be between %d and %d", l.name, l.least, l.most)
	}
	return *asked
}
