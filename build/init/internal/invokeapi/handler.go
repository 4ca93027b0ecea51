// Package invokeapi is what callers of the function see: docker-lambda's API
// and the emulator's, two dialects of Lambda's Invoke.
package invokeapi

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"time"

	"imagemill/init/internal/engine"
	"imagemill/init/internal/runtimeapi"
	"imagemill/init/internal/wire"
)

// Dialect is whose answers the API gives where the two differ.
type Dialect int

const (
	// DockerLambda answers as Lambda does: JSON, and 200 for function errors.
	DockerLambda Dialect = iota
	// Emulator answers as AWS's emulator does: bodies as they are, a timeout
	// as text, and 502 for a runtime that ended.
	Emulator
)

// Invoker runs invocations.
type Invoker interface {
	Invoke(inv *engine.Invocation, early func(*engine.Outcome)) *engine.Outcome
	InvokeLater(inv *engine.Invocation)
}

// Function is what the API needs to know of the function.
type Function struct {
	Version string
	// What an invocation carries unless its request says otherwise.
	TraceID         string
	ClientContext   string
	CognitoIdentity string
}

// Handler is the API's HTTP side.
type Handler struct {
	Dialect  Dialect
	Function Function
	Invoker  Invoker
	// MaxRequest and MaxEvent limit payloads, of those whose caller waits and
	// of the others, in bytes; 0 does not.
	MaxRequest int64
	MaxEvent   int64
	// NewID makes request ids.
	NewID func() string
	// CallersID takes a caller's X-Amzn-RequestId for the request's.
	CallersID bool
	// Debug writes a line for those who look for a fault.
	Debug func(format string, args ...any)
}

// bodyTimeout is how long a request body may take to arrive, and a response
// to leave.
const bodyTimeout = 5 * time.Minute

// Serve answers one call.
func (h *Handler) Serve(x *wire.Exchange) {
	if x.Method == "OPTIONS" {
		servePreflight(x)
		return
	}
	operation := operationOf(x.Path)
	switch {
	case operation == unknown && (h.Dialect == Emulator || strings.HasPrefix(x.Path, runtimeapi.Prefix)):
		runtimeapi.NotFound(x)
	case operation == unknown || x.Method != "POST":
		_ = x.Reply(405, wire.Header{{Name: "Allow", Value: "OPTIONS"}}, nil)
	default:
		h.serveInvocation(x, operation)
	}
}

// operation is what a path asks for.
type operation int

const (
	unknown operation = iota
	invoke
	invokeStreaming
	invokeAsync // the API of 2014
)

// operationOf tells by the path. The function's name in it, one segment, is
// any: there is one function here. It may be an ARN, its colons encoded or
// not.
func operationOf(path string) operation {
	for _, o := range []struct {
		prefix, suffix string
		operation      operation
	}{
		{"/2015-03-31/functions/", "/invocations", invoke},
		{"/2021-11-15/functions/", "/response-streaming-invocations", invokeStreaming},
		{"/2014-11-13/functions/", "/invoke-async", invokeAsync},
		{"/2014-11-13/functions/", "/invoke-async/", invokeAsync},
	} {
		rest, ok := strings.CutPrefix(path, o.prefix)
		if !ok {
			continue
		}
		name, ok := strings.CutSuffix(rest, o.suffix)
		if ok && name != "" && !strings.Contains(name, "/") {
			return o.operation
		}
	}
	return unknown
}

func (h *Handler) serveInvocation(x *wire.Exchange, operation operation) {
	inv := &engine.Invocation{
		RequestID:       h.requestID(x),
		TraceID:         h.traceID(x),
		ClientContext:   h.Function.ClientContext,
		CognitoIdentity: h.Function.CognitoIdentity,
		TenantID:        x.Header.Get("X-Amz-Tenant-Id"),
		Tail:            x.Header.Get("X-Amz-Log-Type") == "Tail",
	}
	if encoded := x.Header.Get("X-Amz-Client-Context"); encoded != "" {
		context, err := base64.StdEncoding.DecodeString(encoded)
		if err != nil {
			h.refuseClientContext(x, err)
			return
		}
		inv.ClientContext = string(context)
	}
	invocationType := x.Header.Get("X-Amz-Invocation-Type")
	limit := h.MaxRequest
	if operation == invokeAsync || invocationType == "Event" {
		limit = h.MaxEvent
	}
	payload, err := x.ReadAll(limit, bodyTimeout)
	if err != nil {
		h.refusePayload(x, err, limit)
		return
	}
	inv.Payload = payload
	switch {
	case operation == invokeAsync:
		h.replyJSON(x, 202, h.header(x, inv), []byte(`{"Status":202}`))
		h.Invoker.InvokeLater(inv)
	case invocationType == "DryRun":
		_ = x.Reply(204, h.header(x, inv), nil)
	case operation == invokeStreaming:
		h.stream(x, inv)
	case invocationType == "Event":
		_ = x.Reply(202, append(h.header(x, inv), wire.Field{Name: "X-Amzn-Trace-Id", Value: inv.TraceID}), nil)
		h.Invoker.InvokeLater(inv)
	default:
		h.invoke(x, inv)
	}
}

func (h *Handler) requestID(x *wire.Exchange) string {
	if id := x.Header.Get("X-Amzn-RequestId"); h.CallersID && id != "" {
		return id
	}
	return h.NewID()
}

func (h *Handler) traceID(x *wire.Exchange) string {
	if h.Dialect == DockerLambda {
		// docker-lambda's API does not read the header.
		return h.Function.TraceID
	}
	if trace := x.Header.Get("X-Amzn-Trace-Id"); trace != "" {
		return trace
	}
	return h.Function.TraceID
}

func (h *Handler) refuseClientContext(x *wire.Exchange, err error) {
	if h.Dialect == Emulator {
		_ = x.Reply(500, nil, nil)
		return
	}
	h.replyJSON(x, 400, allowOrigin(nil, x), runtimeapi.ErrorBody("ClientContextDecodingError", err.Error()))
}

func (h *Handler) refusePayload(x *wire.Exchange, err error, limit int64) {
	if errors.Is(err, wire.ErrTooLarge) {
		message := fmt.Sprintf("Request must be smaller than %d bytes for the InvokeFunction operation", limit)
		header := append(allowOrigin(nil, x), errorTypeField("RequestTooLargeException"))
		h.replyJSON(x, 413, header, runtimeapi.ErrorBody("RequestTooLargeException", message))
		return
	}
	h.replyJSON(x, 500, allowOrigin(nil, x), runtimeapi.ErrorBody("BodyReadError", err.Error()))
}
