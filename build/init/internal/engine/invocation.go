package engine

import (
	"encoding/base64"
	"fmt"
	"time"

	"imagemill/init/internal/process"
	"imagemill/init/internal/runtimeapi"
)

// Invocation is one call of the function.
type Invocation struct {
	RequestID       string
	TraceID         string
	ClientContext   string
	CognitoIdentity string
	TenantID        string
	Payload         []byte
	// Tail asks for the end of the log in the Outcome.
	Tail bool
}

// Kind is how an invocation ended.
type Kind int

const (
	// Success: the runtime sent a response.
	Success Kind = iota
	// FunctionError: the runtime sent an error.
	FunctionError
	// Timeout: the function took too long; its runtime was killed.
	Timeout
	// RuntimeExit: the runtime ended before it answered.
	RuntimeExit
	// InitError: the runtime reported that it could not start.
	InitError
	// StartFailure: there was no runtime to start.
	StartFailure
	// ResponseTooLarge: the response was beyond the limit.
	ResponseTooLarge
	// Unavailable: the program is ending.
	Unavailable
)

// unhandled is what Lambda calls an error that the runtime gives no name to.
const unhandled = "Unhandled"

// Outcome is what the caller of an invocation gets.
type Outcome struct {
	RequestID string
	Kind      Kind
	Body      []byte
	// FunctionError is the value of X-Amz-Function-Error, if any.
	FunctionError string
	// Message is the plain text of a timeout.
	Message string
	// LogResult is the end of the log, base64.
	LogResult string
}

func answered(id string, a runtimeapi.Answer, maxResponse int64) *Outcome {
	switch {
	case a.TooLarge:
		message := fmt.Sprintf("Response payload size exceeded maximum allowed payload size (%d bytes).", maxResponse)
		return failure(id, ResponseTooLarge, "Function.ResponseSizeTooLarge", message)
	case a.Truncated:
		return failure(id, FunctionError, "Runtime.TruncatedResponse",
			"RequestId: "+id+" Error: the runtime's answer broke off")
	}
	out := &Outcome{RequestID: id, Body: a.Body, LogResult: a.LogResult}
	if a.Failed {
		out.Kind = FunctionError
		out.FunctionError = a.ErrorType
		if out.FunctionError == "" {
			out.FunctionError = unhandled
		}
	}
	return out
}

func initFailed(id string, a runtimeapi.Answer, maxResponse int64) *Outcome {
	out := answered(id, a, maxResponse)
	out.Kind = InitError
	return out
}

func timedOut(id string, after time.Duration) *Outcome {
	message := fmt.Sprintf("Task timed out after %.2f seconds", after.Seconds())
	out := failure(id, Timeout, "Sandbox.Timedout", "RequestId: "+id+" Error: "+message)
	out.Message = message
	return out
}

func exited(id string, exit process.Exit) *Outcome {
	reason := "Runtime exited with error: " + exit.String()
	if exit.Clean() {
		reason = "Runtime exited without providing a reason"
	}
	return failure(id, RuntimeExit, "Runtime.ExitError", "RequestId: "+id+" Error: "+reason)
}

func notStarted(id, errorType string, err error) *Outcome {
	return failure(id, StartFailure, errorType, "RequestId: "+id+" Error: "+err.Error())
}

func unavailable(id string) *Outcome {
	return failure(id, Unavailable, "ServiceException", "RequestId: "+id+" Error: the emulator is shutting down")
}

func failure(id string, kind Kind, errorType, message string) *Outcome {
	return &Outcome{
		RequestID:     id,
		Kind:          kind,
		Body:          runtimeapi.ErrorBody(errorType, message),
		FunctionError: unhandled,
	}
}

func (o *Outcome) setTail(tail []byte) {
	// A runtime that keeps its own log knows better.
	if o.LogResult == "" {
		o.LogResult = base64.StdEncoding.EncodeToString(tail)
	}
}
