package invokeapi

import (
	"time"

	"imagemill/init/internal/engine"
	"imagemill/init/internal/wire"
)

// smallBody is what fits into a connection's buffers: writing it does not
// wait for the other side.
const smallBody = 64 << 10

// smallReplyTimeout bounds the writing of a small reply all the same: while
// it lasts, the environment is taken.
const smallReplyTimeout = 2 * time.Second

// invoke runs inv and writes its outcome: a small one before the log lines of
// the invocation, a large one after the environment is free for others.
func (h *Handler) invoke(x *wire.Exchange, inv *engine.Invocation) {
	replied := false
	out := h.Invoker.Invoke(inv, func(out *engine.Outcome) {
		if len(out.Body) <= smallBody {
			replied = true
			h.reply(x, inv, out, smallReplyTimeout)
		}
	})
	if !replied {
		h.reply(x, inv, out, bodyTimeout)
	}
}

func (h *Handler) reply(x *wire.Exchange, inv *engine.Invocation, out *engine.Outcome, limit time.Duration) {
	status, body := h.form(out)
	header := append(h.header(x, inv),
		wire.Field{Name: "X-Amz-Executed-Version", Value: h.Function.Version},
		wire.Field{Name: "X-Amzn-Trace-Id", Value: inv.TraceID})
	switch {
	case h.Dialect == DockerLambda || status >= 429:
		header = append(header, jsonType)
	default:
		// AWS's emulator says nothing of the type, and its server finds out.
		header = append(header, wire.Field{Name: "Content-Type", Value: sniff(body)})
	}
	if inv.Tail {
		header = append(header, wire.Field{Name: "X-Amz-Log-Result", Value: out.LogResult})
	}
	if out.FunctionError != "" {
		header = append(header, wire.Field{Name: "X-Amz-Function-Error", Value: out.FunctionError})
	}
	header = append(header, refusalFields(out)...)
	// A caller that is gone does not need the answer.
	if err := x.ReplyWithin(limit, status, header, body); err != nil {
		h.Debug("a reply was not taken: %v", err)
	}
}

// form is what an outcome looks like in the API's dialect.
func (h *Handler) form(out *engine.Outcome) (status int, body []byte) {
	switch {
	case out.Kind == engine.Unavailable:
		return 503, out.Body
	case out.Kind == engine.Throttled:
		return 429, out.Body
	case h.Dialect == DockerLambda:
		return 200, out.Body
	case out.Kind == engine.Timeout:
		return 200, []byte(out.Message)
	case out.Kind == engine.RuntimeExit, out.Kind == engine.InitError, out.Kind == engine.StartFailure,
		out.Kind == engine.ExtensionFailure:
		return 502, out.Body
	default:
		return 200, out.Body
	}
}

// refusalFields are those of an invocation that was not tried.
func refusalFields(out *engine.Outcome) wire.Header {
	switch out.Kind {
	case engine.Throttled:
		return wire.Header{errorTypeField("TooManyRequestsException"), {Name: "Retry-After", Value: "1"}}
	case engine.Unavailable:
		return wire.Header{errorTypeField("ServiceException")}
	default:
		return nil
	}
}

var jsonType = wire.Field{Name: "Content-Type", Value: "application/json"}

func errorTypeField(errorType string) wire.Field {
	return wire.Field{Name: "X-Amzn-ErrorType", Value: errorType}
}

// header are the fields of every accepted call.
func (h *Handler) header(x *wire.Exchange, inv *engine.Invocation) wire.Header {
	header := append(make(wire.Header, 0, 12),
		wire.Field{Name: "X-Amzn-Requestid", Value: inv.RequestID},
		wire.Field{Name: "X-Amzn-Remapped-Content-Length", Value: "0"})
	return allowOrigin(header, x)
}

func (h *Handler) replyJSON(x *wire.Exchange, status int, header wire.Header, body []byte) {
	_ = x.Reply(status, append(header, jsonType), body)
}

// sniff tells text from anything else by the control characters that text does
// not have.
func sniff(body []byte) string {
	for _, c := range body[:min(len(body), 512)] {
		if c < ' ' && c != '\t' && c != '\n' && c != '\r' && c != '\f' && c != 0x1b {
			return "application/octet-stream"
		}
	}
	return "text/plain; charset=utf-8"
}
