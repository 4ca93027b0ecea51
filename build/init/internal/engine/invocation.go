package engine

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"time"

	"imagemill/init/internal/extension"
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
	// Taker, unless nil, gets a streamed response as it comes.
	Taker runtimeapi.Taker
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
	// ExtensionFailure: an extension took the environment down.
	ExtensionFailure
	// Throttled: no environment was free.
	Throttled
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
	// ContentType is what the runtime said of the body, if anything.
	ContentType string
	// Streamed: the invocation's Taker has had the response; Body then is
	// the error that it ended with, if any.
	Streamed bool
	// Size is that of the response, wherever it went.
	Size int64
	// FunctionError is the value of X-Amz-Function-Error, if any.
	FunctionError string
	// ErrorType is Lambda's word for what went wrong, in its records.
	ErrorType string
	// Message is the plain text of a timeout.
	Message string
	// LogResult is the end of the log, base64.
	LogResult string

	// refusal is why the invocation was not even tried.
	refusal error
}

func answered(id string, a runtimeapi.Answer, maxResponse int64) *Outcome {
	var out *Outcome
	switch {
	case a.TooLarge:
		message := fmt.Sprintf("Response payload size exceeded maximum allowed payload size (%d bytes).", maxResponse)
		out = failure(id, ResponseTooLarge, "Function.ResponseSizeTooLarge", message)
	case a.Truncated:
		out = failure(id, FunctionError, "Runtime.TruncatedResponse",
			"RequestId: "+id+" Error: the runtime's answer broke off")
	default:
		out = &Outcome{RequestID: id, Body: a.Body, ContentType: a.ContentType, LogResult: a.LogResult}
		if a.Failed {
			out.Kind, out.ErrorType = FunctionError, knownErrorType(a.ErrorType)
			out.FunctionError = a.ErrorType
			if out.FunctionError == "" {
				out.FunctionError = unhandled
			}
		}
	}
	out.Streamed, out.Size = a.Streamed, a.Size
	return out
}

// knownErrorType is how Lambda records the error type that a runtime names:
// as it is when it is one of Lambda's form.
func knownErrorType(given string) string {
	category, reason, _ := strings.Cut(given, ".")
	switch {
	case (category == "Runtime" || category == "Function") && isReason(reason):
		return given
	case category == "Function":
		return "Function.Unknown"
	default:
		return "Runtime.Unknown"
	}
}

// isReason is whether s is letters, with a capital first.
func isReason(s string) bool {
	for i := 0; i < len(s); i++ {
		capital := 'A' <= s[i] && s[i] <= 'Z'
		if !capital && (i == 0 || s[i] < 'a' || s[i] > 'z') {
			return false
		}
	}
	return len(s) > 1
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

func extensionFailed(id string, f extension.Failure) *Outcome {
	return failure(id, ExtensionFailure, f.Type, "RequestId: "+id+" Error: "+f.Message)
}

// refused is the outcome of an invocation that was not even tried.
func refused(id string, err error) *Outcome {
	var out *Outcome
	switch {
	case errors.Is(err, errThrottled):
		out = &Outcome{RequestID: id, Kind: Throttled, Body: throttledBody}
	case errors.Is(err, errClosing):
		out = failure(id, Unavailable, "ServiceException", "RequestId: "+id+" Error: "+err.Error())
	default:
		out = failure(id, StartFailure, "ServiceException", "RequestId: "+id+" Error: "+err.Error())
	}
	out.refusal = err
	return out
}

// throttledBody is Lambda's answer to one invocation too many.
var throttledBody = []byte(`{"Reason":"ConcurrentInvocationLimitExceeded","Type":"User","message":"Rate Exceeded."}`)

func failure(id string, kind Kind, errorType, message string) *Outcome {
	return &Outcome{
		RequestID:     id,
		Kind:          kind,
		Body:          runtimeapi.ErrorBody(errorType, message),
		FunctionError: unhandled,
		ErrorType:     errorType,
	}
}

func (o *Outcome) setTail(tail []byte) {
	// A runtime that keeps its own log knows better.
	if o.LogResult == "" {
		o.LogResult = base64.StdEncoding.EncodeToString(tail)
	}
}
