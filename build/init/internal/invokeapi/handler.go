// Package invokeapi is what callers of the function see: docker-lambda's API
// and the emulator's, two dialects of Lambda's Invoke.
package invokeapi

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"imagemill/init/internal/engine"
	"imagemill/init/internal/runtimeapi"
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
	Dialect    Dialect
	Function   Function
	Invoker    Invoker
	MaxRequest int64
	// NewID makes request ids.
	NewID func() string
	// Debug writes a line for those who look for a fault.
	Debug func(format string, args ...any)
}

// bodyTimeout is how long a request body may take to arrive, and a response
// to leave.
const bodyTimeout = 5 * time.Minute

// ServeHTTP answers one call.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch {
	case r.Method == http.MethodOptions:
		servePreflight(w, r)
	case !isInvocationPath(r.URL.EscapedPath()):
		h.serveUnknown(w, r)
	case r.Method != http.MethodPost:
		methodNotAllowed(w)
	default:
		h.serveInvocation(w, r)
	}
}

// isInvocationPath is whether path is that of an invocation. The name, one
// segment, is any: there is one function here. It may be an ARN with its
// colons encoded.
func isInvocationPath(path string) bool {
	rest, ok := strings.CutPrefix(path, "/2015-03-31/functions/")
	if !ok {
		return false
	}
	name, ok := strings.CutSuffix(rest, "/invocations")
	return ok && name != "" && !strings.Contains(name, "/")
}

func (h *Handler) serveUnknown(w http.ResponseWriter, r *http.Request) {
	if h.Dialect == Emulator || strings.HasPrefix(r.URL.Path, runtimeapi.Prefix) {
		http.NotFound(w, r)
		return
	}
	methodNotAllowed(w)
}

func methodNotAllowed(w http.ResponseWriter) {
	w.Header().Set("Allow", http.MethodOptions)
	w.WriteHeader(http.StatusMethodNotAllowed)
}

func (h *Handler) serveInvocation(w http.ResponseWriter, r *http.Request) {
	allowOrigin(w, r)
	inv := &engine.Invocation{
		RequestID:       h.NewID(),
		TraceID:         h.traceID(r),
		ClientContext:   h.Function.ClientContext,
		CognitoIdentity: h.Function.CognitoIdentity,
		TenantID:        r.Header.Get("X-Amz-Tenant-Id"),
		Tail:            r.Header.Get("X-Amz-Log-Type") == "Tail",
	}
	if encoded := r.Header.Get("X-Amz-Client-Context"); encoded != "" {
		context, err := base64.StdEncoding.DecodeString(encoded)
		if err != nil {
			h.refuseClientContext(w, err)
			return
		}
		inv.ClientContext = string(context)
	}
	payload, err := h.readPayload(w, r)
	if err != nil {
		h.refusePayload(w, err)
		return
	}
	inv.Payload = payload
	switch r.Header.Get("X-Amz-Invocation-Type") {
	case "DryRun":
		h.commonHeaders(w, inv)
		w.WriteHeader(http.StatusNoContent)
	case "Event":
		h.commonHeaders(w, inv)
		setHeader(w, "X-Amzn-Trace-Id", inv.TraceID)
		w.WriteHeader(http.StatusAccepted)
		h.Invoker.InvokeLater(inv)
	default:
		h.invoke(w, inv)
	}
}

func (h *Handler) traceID(r *http.Request) string {
	// docker-lambda's API does not read the header.
	if trace := r.Header.Get("X-Amzn-Trace-Id"); trace != "" && h.Dialect == Emulator {
		return trace
	}
	return h.Function.TraceID
}

// readPayload reads the request's body; a caller that stalls is not waited
// for without end.
func (h *Handler) readPayload(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	if r.ContentLength == 0 {
		return nil, nil
	}
	control := http.NewResponseController(w)
	if err := control.SetReadDeadline(time.Now().Add(bodyTimeout)); err != nil {
		h.Debug("no deadline for a request: %v", err)
	}
	body, err := runtimeapi.ReadBody(r, h.MaxRequest)
	if err := control.SetReadDeadline(time.Time{}); err != nil {
		h.Debug("no end of a deadline: %v", err)
	}
	return body, err
}

func (h *Handler) refuseClientContext(w http.ResponseWriter, err error) {
	if h.Dialect == Emulator {
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	writeJSON(w, http.StatusBadRequest, runtimeapi.ErrorBody("ClientContextDecodingError", err.Error()))
}

func (h *Handler) refusePayload(w http.ResponseWriter, err error) {
	if errors.Is(err, runtimeapi.ErrTooLarge) {
		message := fmt.Sprintf("Request must be smaller than %d bytes for the InvokeFunction operation", h.MaxRequest)
		setHeader(w, "X-Amzn-Errortype", "RequestTooLargeException")
		writeJSON(w, http.StatusRequestEntityTooLarge, runtimeapi.ErrorBody("RequestTooLargeException", message))
		return
	}
	writeJSON(w, http.StatusInternalServerError, runtimeapi.ErrorBody("BodyReadError", err.Error()))
}
