// Package config turns arguments and environment into one immutable Config.
// Nothing else in the program reads either of them.
package config

import (
	"path/filepath"
	"time"

	"imagemill/init/internal/httpevent"
	"imagemill/init/internal/platformlog"
)

// Mode is what the program was started to do.
type Mode int

const (
	// SingleShot answers one event, given at the start, and ends.
	SingleShot Mode = iota
	// StayOpen serves the docker-lambda API, and the emulator's beside it.
	StayOpen
	// RIE behaves as AWS's Runtime Interface Emulator.
	RIE
	// OnLambda hands over to the runtime: the Runtime API is there already.
	OnLambda
)

// Payload sizes in bytes, from Lambda's documentation. The emulator and Lambda
// itself allow a little more than the documented 6 MB for a response.
const (
	maxRequestBytes  = 6 * 1024 * 1024
	maxResponseBytes = 6*1024*1024 + 100
	maxEventBytes    = 1024 * 1024
	maxStreamBytes   = 200 * 1024 * 1024
)

// Limits bound an invocation. In bytes 0 is no limit.
type Limits struct {
	// Suspended lets no time run out: somebody sits at a debugger.
	Suspended   bool
	MaxRequest  int64
	MaxEvent    int64
	MaxResponse int64
	MaxStream   int64
	// Memory is what the runtime may hold.
	Memory int64
}

// HTTP says whether and how HTTP requests become events.
type HTTP struct {
	// On opens the front, whose events are those that Settings tell.
	On       bool
	Settings httpevent.Settings
	// Streaming answers as the function does it: the response as it comes.
	Streaming bool
}

// Config is everything the program was told. It does not change after Load.
type Config struct {
	Mode      Mode
	Function  Function
	Bootstrap Bootstrap
	Log       Log
	Addresses Addresses
	Limits    Limits
	HTTP      HTTP

	// Event is the payload of a single shot, unless EventOnStdin.
	Event        []byte
	EventOnStdin bool

	// NoBootstrap: a runtime started by somebody else will connect.
	NoBootstrap bool
	// Watch are the directories of handler and layers, if a change in them
	// is to restart the runtime. WatchPoll looks for changes from time to
	// time, where the kernel does not tell of them.
	Watch     []string
	WatchPoll bool

	// Environments is how many execution environments there may be at a
	// time; Throttle refuses what would have to wait for one.
	Environments int
	Throttle     bool
	// SideBySide is how many events one runtime takes at a time: more than
	// one as on managed instances.
	SideBySide int
	// CallersID: a caller may name the request id.
	CallersID bool
	// RetryDelays are the waits before an event that failed is tried again.
	RetryDelays []time.Duration

	environ  environment
	instance Instance
}

// Function describes the function as the runtime and its callers see it.
type Function struct {
	Name    string
	Version string
	Handler string
	// MemorySize is in megabytes.
	MemorySize int
	Timeout    time.Duration
	Region     string
	ARN        string
	AccountID  string

	// What every invocation carries unless its request says otherwise.
	TraceID         string
	ClientContext   string
	CognitoIdentity string
}

// Bootstrap says how the runtime is started.
type Bootstrap struct {
	// Candidates are tried in order; the first that is a file is started.
	Candidates []string
	Args       []string
	// Dir is the working directory; empty is the program's own.
	Dir string
	// SearchPath is where a candidate without a slash is looked for.
	SearchPath string
}

// Log says how platform lines and the runtime's output are written.
type Log struct {
	// Color makes START, END, REPORT and the banner green.
	Color bool
	// KeepCarriageReturns leaves the runtime's \r as they are. Runtimes
	// write \r for line breaks within a message, which terminals overprint.
	KeepCarriageReturns bool
	Debug               bool
	// ReadinessHandler is the handler shown in the emulator's readiness line;
	// Quiet leaves the line out.
	ReadinessHandler string
	Quiet            bool
	// JSON writes platform lines as records, from Level on.
	JSON  bool
	Level platformlog.Level
}

// Address is where to listen, and the setting that moves it.
type Address struct {
	Listen  string
	Setting string
}

// Addresses are the listeners; one with an empty Listen is not opened.
type Addresses struct {
	// API serves the docker-lambda API; the Runtime API too when Runtime is
	// not opened.
	API     Address
	Runtime Address
	RIE     Address
	// HTTP takes requests that become events.
	HTTP Address
}

// Instance is what differs from one start to the next.
type Instance struct {
	Started time.Time
	// ID is 32 hex digits, for the log stream's name.
	ID string
}

// Load reads arguments (with the program's name first) and environment.
func Load(args, environ []string, instance Instance) (Config, error) {
	env := parseEnvironment(environ)
	name := ""
	if len(args) > 0 {
		name, args = filepath.Base(args[0]), args[1:]
	}
	if name == "aws-lambda-rie" {
		return loadRIE(args, env, instance)
	}
	if len(args) > 0 && args[0] == "--rie" {
		return loadRIE(args[1:], env, instance)
	}
	return loadDockerLambda(args, env, instance)
}
