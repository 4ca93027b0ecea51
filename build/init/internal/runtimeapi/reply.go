package runtimeapi

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"

	"imagemill/init/internal/wire"
)

var jsonType = wire.Field{Name: "Content-Type", Value: "application/json"}

// eventHeader is the header that comes with an event. Empty values are left
// out, but for the trace id with docker-lambda.
func eventHeader(e *Event, dialect Dialect) wire.Header {
	h := append(make(wire.Header, 0, 9), jsonType,
		wire.Field{Name: "Lambda-Runtime-Aws-Request-Id", Value: e.RequestID},
		wire.Field{Name: "Lambda-Runtime-Deadline-Ms", Value: strconv.FormatInt(e.Deadline.UnixMilli(), 10)},
		wire.Field{Name: "Lambda-Runtime-Invoked-Function-Arn", Value: e.FunctionARN})
	if e.TraceID != "" || dialect == DockerLambda {
		h = append(h, wire.Field{Name: "Lambda-Runtime-Trace-Id", Value: e.TraceID})
	}
	h = appendIfAny(h, "Lambda-Runtime-Client-Context", e.ClientContext)
	h = appendIfAny(h, "Lambda-Runtime-Cognito-Identity", e.CognitoIdentity)
	h = appendIfAny(h, "Lambda-Runtime-Aws-Tenant-Id", e.TenantID)
	if e.Tail {
		h = append(h, wire.Field{Name: "Docker-Lambda-Log-Type", Value: "Tail"})
	}
	return h
}

func appendIfAny(h wire.Header, name, value string) wire.Header {
	if value == "" {
		return h
	}
	return append(h, wire.Field{Name: name, Value: value})
}

// ErrorBody is the JSON of an error in Lambda's shape.
func ErrorBody(errorType, message string) []byte {
	body, err := json.Marshal(struct {
		ErrorType    string `json:"errorType,omitempty"`
		ErrorMessage string `json:"errorMessage"`
	}{errorType, message})
	if err != nil {
		// Two strings always have a JSON form.
		panic(err)
	}
	return body
}

func refuse(x *wire.Exchange, dialect Dialect, err error) {
	var transition *transitionError
	switch {
	case errors.As(err, &transition):
		replyError(x, 403, "InvalidStateTransition", dialect.refusal(transition))
	case errors.Is(err, errInvalidRequestID):
		replyError(x, 400, "InvalidRequestID", err.Error())
	default:
		// A runtime that is told 500 is to end.
		replyError(x, 500, "InternalServerError", "Internal Server Error")
	}
}

// refuseBody answers a runtime whose body could not be read.
func (v *Server) refuseBody(x *wire.Exchange, err error) {
	switch {
	case errors.Is(err, wire.ErrTooLarge):
		replyError(x, 413, "RequestEntityTooLarge",
			fmt.Sprintf("Exceeded maximum allowed payload size (%d bytes).", v.MaxResponse))
	case v.Dialect == Emulator:
		replyError(x, 400, "TruncatedHTTPRequest", "HTTP request detected as truncated")
	default:
		replyError(x, 500, "BodyReadError", err.Error())
	}
}

var (
	jsonHeader = wire.Header{jsonType}
	acceptBody = []byte("{\"status\":\"OK\"}\n")
)

func accept(x *wire.Exchange) { _ = x.Reply(202, jsonHeader, acceptBody) }

// NotFound answers that there is nothing at the path.
func NotFound(x *wire.Exchange) {
	_ = x.Reply(404, wire.Header{{Name: "Content-Type", Value: "text/plain; charset=utf-8"}}, []byte("404 page not found\n"))
}

func replyError(x *wire.Exchange, status int, errorType, message string) {
	replyJSON(x, status, append(ErrorBody(errorType, message), '\n'))
}

func replyJSON(x *wire.Exchange, status int, body []byte) { _ = x.Reply(status, jsonHeader, body) }
