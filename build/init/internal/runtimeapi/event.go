// Package runtimeapi is the Lambda Runtime API: what the runtime asks, the
// order it may ask in, and the answers.
package runtimeapi

import "time"

// Event is one invocation on its way to the runtime.
type Event struct {
	RequestID       string
	FunctionARN     string
	TraceID         string
	ClientContext   string
	CognitoIdentity string
	TenantID        string
	Deadline        time.Time
	Payload         []byte
	// Tail tells runtimes that keep their own log (docker-lambda's old
	// mocks) that the caller wants the end of it.
	Tail bool
	// Taker, unless nil, gets a streamed response as it comes.
	Taker Taker

	answering bool
	answered  chan Answer
}

// Taker takes the pieces of a streamed response. What it does not want, it
// lets go: the runtime's stream runs to its end in any case.
type Taker interface {
	Begin(contentType string)
	Write(piece []byte)
}

// NewEvent returns an Event for one delivery.
func NewEvent(e Event) *Event {
	e.answered = make(chan Answer, 1)
	return &e
}

// Answered yields what the runtime made of the event, once.
func (e *Event) Answered() <-chan Answer { return e.answered }

// Answer is what the runtime said: to an event, or about its init.
type Answer struct {
	Body        []byte
	ContentType string
	// Streamed: the event's Taker has had the body.
	Streamed bool
	// Size is the body's, wherever it went.
	Size int64
	// Failed is set for errors; ErrorType then is the runtime's own word
	// for it, if it gave one.
	Failed    bool
	ErrorType string
	// TooLarge: the response was beyond the limit, and is not in Body.
	TooLarge bool
	// Truncated: the connection broke in the middle of the answer.
	Truncated bool

	// What docker-lambda's old mocks tell: the end of the log, base64, and
	// when the invocation really began and the init really ended.
	LogResult string
	Began     time.Time
	InitEnded time.Time
}
