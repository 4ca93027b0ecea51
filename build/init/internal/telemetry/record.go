package telemetry

import "time"

// The records of platform events. Their fields are in the order in which AWS's
// reference of the schema shows them; those that may be absent are when they
// are empty.

// Status is how something ended.
type Status string

// The ways there are.
const (
	Success Status = "success"
	Failure Status = "failure"
	Error   Status = "error"
	Timeout Status = "timeout"
)

// InitStart is the record of platform.initStart: an init phase begins.
type InitStart struct {
	InitializationType string `json:"initializationType"`
	// Phase is init, or invoke when the init is part of an invocation.
	Phase             string `json:"phase"`
	RuntimeVersion    string `json:"runtimeVersion,omitempty"`
	RuntimeVersionARN string `json:"runtimeVersionArn,omitempty"`
	FunctionName      string `json:"functionName,omitempty"`
	FunctionVersion   string `json:"functionVersion,omitempty"`
	InstanceID        string `json:"instanceId,omitempty"`
}

// InitRuntimeDone is the record of platform.initRuntimeDone: the runtime has
// ended its init.
type InitRuntimeDone struct {
	InitializationType string `json:"initializationType"`
	Phase              string `json:"phase"`
	Status             Status `json:"status"`
	Spans              []Span `json:"spans,omitempty"`
	ErrorType          string `json:"errorType,omitempty"`
}

// InitReport is the record of platform.initReport: the init phase has ended.
type InitReport struct {
	InitializationType string            `json:"initializationType"`
	Phase              string            `json:"phase"`
	Metrics            InitReportMetrics `json:"metrics"`
	Spans              []Span            `json:"spans,omitempty"`
	Status             Status            `json:"status,omitempty"`
	ErrorType          string            `json:"errorType,omitempty"`
}

// InitReportMetrics are the figures of an init phase.
type InitReportMetrics struct {
	DurationMS float64 `json:"durationMs"`
}

// Start is the record of platform.start: an invocation begins.
type Start struct {
	RequestID string   `json:"requestId"`
	Version   string   `json:"version,omitempty"`
	Tracing   *Tracing `json:"tracing,omitempty"`
}

// RuntimeDone is the record of platform.runtimeDone: the runtime has ended an
// invocation, or the other way round.
type RuntimeDone struct {
	RequestID string              `json:"requestId"`
	Status    Status              `json:"status"`
	Metrics   *RuntimeDoneMetrics `json:"metrics,omitempty"`
	Spans     []Span              `json:"spans,omitempty"`
	Tracing   *Tracing            `json:"tracing,omitempty"`
	ErrorType string              `json:"errorType,omitempty"`
}

// RuntimeDoneMetrics are the figures of the runtime's part in an invocation.
type RuntimeDoneMetrics struct {
	DurationMS float64 `json:"durationMs"`
	// ProducedBytes is the response's size.
	ProducedBytes int64 `json:"producedBytes"`
}

// Report is the record of platform.report: all of an invocation has ended.
type Report struct {
	RequestID string        `json:"requestId"`
	Status    Status        `json:"status"`
	Metrics   ReportMetrics `json:"metrics"`
	Spans     []Span        `json:"spans,omitempty"`
	Tracing   *Tracing      `json:"tracing,omitempty"`
	ErrorType string        `json:"errorType,omitempty"`
}

// ReportMetrics are the figures of an invocation.
type ReportMetrics struct {
	BilledDurationMS int64   `json:"billedDurationMs"`
	DurationMS       float64 `json:"durationMs"`
	// InitDurationMS is absent when it is 0: there was no init phase.
	InitDurationMS  float64 `json:"initDurationMs,omitempty"`
	MaxMemoryUsedMB int64   `json:"maxMemoryUsedMB"`
	MemorySizeMB    int64   `json:"memorySizeMB"`
}

// ExtensionState is the record of platform.extension: an extension is ready
// for events.
type ExtensionState struct {
	Events []string `json:"events"`
	Name   string   `json:"name"`
	State  string   `json:"state"`
}

// TelemetrySubscription is the record of platform.telemetrySubscription.
type TelemetrySubscription struct {
	Name  string   `json:"name"`
	State string   `json:"state"`
	Types []string `json:"types"`
}

// LogsDropped is the record of platform.logsDropped: a subscriber could not be
// given all that was for it.
type LogsDropped struct {
	DroppedBytes   int64  `json:"droppedBytes"`
	DroppedRecords int64  `json:"droppedRecords"`
	Reason         string `json:"reason"`
}

// Tracing is what an invocation belongs to.
type Tracing struct {
	SpanID string `json:"spanId,omitempty"`
	// Type is X-Amzn-Trace-Id, and Value what that header says.
	Type  string `json:"type"`
	Value string `json:"value"`
}

// Span is a part of what a record tells of: responseLatency,
// responseDuration, runtimeOverhead or extensionOverhead.
type Span struct {
	Name       string    `json:"name"`
	Start      time.Time `json:"start"`
	DurationMS float64   `json:"durationMs"`
}
