package invokeapi

import (
	"encoding/json"

	"imagemill/init/internal/engine"
	"imagemill/init/internal/relay"
	"imagemill/init/internal/wire"
)

// stream runs inv and sends its response as it comes.
func (h *Handler) stream(x *wire.Exchange, inv *engine.Invocation) {
	s := &eventStream{relay: relay.New(x), header: append(h.header(x, inv),
		wire.Field{Name: "Content-Type", Value: "application/vnd.amazon.eventstream"},
		wire.Field{Name: "X-Amz-Executed-Version", Value: h.Function.Version},
		wire.Field{Name: "X-Amzn-Trace-Id", Value: inv.TraceID})}
	inv.Taker = s
	ended := false
	out := h.Invoker.Invoke(inv, func(out *engine.Outcome) {
		if len(out.Body) <= smallBody {
			ended = true
			h.endStream(x, inv, s, out)
		}
	})
	if !ended {
		h.endStream(x, inv, s, out)
	}
}

func (h *Handler) endStream(x *wire.Exchange, inv *engine.Invocation, s *eventStream, out *engine.Outcome) {
	if len(refusalFields(out)) > 0 {
		h.reply(x, inv, out, smallReplyTimeout)
		return
	}
	s.Begin("")
	if !out.Streamed && out.FunctionError == "" {
		s.Write(out.Body)
	}
	if err := s.relay.End(completion(out, inv.Tail), true); err != nil {
		h.Debug("a stream was not taken: %v", err)
	}
}

// eventStream is a response in the framing that SDKs read.
type eventStream struct {
	relay  *relay.Relay
	header wire.Header
}

// Begin sends the head, once.
func (s *eventStream) Begin(string) { s.relay.Begin(200, s.header) }

// Write sends one piece.
func (s *eventStream) Write(piece []byte) {
	if len(piece) > 0 {
		s.relay.Write(appendMessage(nil, "PayloadChunk", "application/octet-stream", piece))
	}
}

// completion tells how the invocation ended.
func completion(out *engine.Outcome, tail bool) []byte {
	var complete struct {
		ErrorCode    string `json:"ErrorCode,omitempty"`
		ErrorDetails string `json:"ErrorDetails,omitempty"`
		LogResult    string `json:"LogResult,omitempty"`
	}
	if out.FunctionError != "" {
		complete.ErrorCode, complete.ErrorDetails = out.FunctionError, string(out.Body)
	}
	if tail {
		complete.LogResult = out.LogResult
	}
	payload, err := json.Marshal(complete)
	if err != nil {
		// Three strings always have a JSON form.
		panic(err)
	}
	return appendMessage(nil, "InvokeComplete", "application/json", payload)
}
