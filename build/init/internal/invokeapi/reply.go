package invokeapi

import (
	"net/http"
	"strconv"
	"time"

	"imagemill/init/internal/engine"
)

// smallBody is what fits into a connection's buffers: writing it does not
// wait for the other side.
const smallBody = 64 << 10

// smallReplyTimeout bounds the writing of a small reply all the same: while
// it lasts, the environment is taken.
const smallReplyTimeout = 2 * time.Second

// invoke runs inv and writes its outcome: a small one before the log lines of
// the invocation, a large one after the environment is free for others.
func (h *Handler) invoke(w http.ResponseWriter, inv *engine.Invocation) {
	replied := false
	out := h.Invoker.Invoke(inv, func(out *engine.Outcome) {
		if len(out.Body) <= smallBody {
			replied = true
			h.reply(w, inv, out, smallReplyTimeout)
		}
	})
	if !replied {
		h.reply(w, inv, out, bodyTimeout)
	}
}

func (h *Handler) reply(w http.ResponseWriter, inv *engine.Invocation, out *engine.Outcome, limit time.Duration) {
	control := http.NewResponseController(w)
	if err := control.SetWriteDeadline(time.Now().Add(limit)); err != nil {
		h.Debug("no deadline for a reply: %v", err)
	}
	h.commonHeaders(w, inv)
	setHeader(w, "X-Amz-Executed-Version", h.Function.Version)
	setHeader(w, "X-Amzn-Trace-Id", inv.TraceID)
	if inv.Tail {
		setHeader(w, "X-Amz-Log-Result", out.LogResult)
	}
	if out.FunctionError != "" {
		setHeader(w, "X-Amz-Function-Error", out.FunctionError)
	}
	status, body := h.form(out)
	setHeader(w, "Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	// A caller that is gone does not need the answer.
	_, _ = w.Write(body)
	if err := control.Flush(); err != nil {
		h.Debug("a reply was not taken: %v", err)
	}
	if err := control.SetWriteDeadline(time.Time{}); err != nil {
		h.Debug("no end of a deadline: %v", err)
	}
}

// form is what an outcome looks like in the API's dialect.
func (h *Handler) form(out *engine.Outcome) (status int, body []byte) {
	if out.Kind == engine.Unavailable {
		return http.StatusServiceUnavailable, out.Body
	}
	if h.Dialect == DockerLambda {
		return http.StatusOK, out.Body
	}
	switch out.Kind {
	case engine.Timeout:
		return http.StatusOK, []byte(out.Message)
	case engine.RuntimeExit, engine.InitError, engine.StartFailure:
		return http.StatusBadGateway, out.Body
	default:
		return http.StatusOK, out.Body
	}
}

// commonHeaders are those of every accepted call. The emulator's answers say
// nothing of their type: as with AWS's, it is found out from the body.
func (h *Handler) commonHeaders(w http.ResponseWriter, inv *engine.Invocation) {
	if h.Dialect == DockerLambda {
		setHeader(w, "Content-Type", "application/json")
	}
	setHeader(w, "X-Amzn-Requestid", inv.RequestID)
	setHeader(w, "X-Amzn-Remapped-Content-Length", "0")
}

// setHeader sets a header whose name is in canonical form already.
func setHeader(w http.ResponseWriter, name, value string) { w.Header()[name] = []string{value} }

func writeJSON(w http.ResponseWriter, status int, body []byte) {
	setHeader(w, "Content-Type", "application/json")
	setHeader(w, "Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, _ = w.Write(body)
}
