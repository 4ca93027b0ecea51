// Package httpfront takes HTTP requests, has the function called with the
// events that one of AWS's HTTP services makes of them, and answers as that
// service does.
package httpfront

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"imagemill/init/internal/engine"
	"imagemill/init/internal/httpevent"
	"imagemill/init/internal/wire"
)

// Invoker runs invocations.
type Invoker interface {
	Invoke(inv *engine.Invocation, early func(*engine.Outcome)) *engine.Outcome
}

// Front answers HTTP requests.
type Front struct {
	Settings *httpevent.Settings
	// Streaming answers with the response as it comes, as function URLs do
	// that are set to.
	Streaming bool
	// Port is the one that clients call.
	Port string
	// TraceID, unless empty, is every request's.
	TraceID string
	Invoker Invoker
	NewID   func() string
	// Log tells people what was wrong with a function's answer.
	Log func(format string, args ...any)
}

const (
	// bodyTimeout is how long a request's body may take to arrive, and a
	// response to leave.
	bodyTimeout = 5 * time.Minute
	// smallBody is what fits into a connection's buffers, and is answered
	// before the invocation's log lines are written.
	smallBody         = 64 << 10
	smallReplyTimeout = 2 * time.Second
)

// Serve answers one request.
func (f *Front) Serve(x *wire.Exchange) {
	request := f.request(x)
	body, err := x.ReadAll(httpevent.MaxRequest(f.Settings.Kind), bodyTimeout)
	if errors.Is(err, wire.ErrTooLarge) {
		f.reply(x, request, httpevent.TooLarge(f.Settings), bodyTimeout)
		return
	}
	if err != nil {
		_ = x.Reply(400, nil, nil)
		return
	}
	request.Body = body
	payload, ok := httpevent.Event(f.Settings, request)
	if !ok {
		f.reply(x, request, httpevent.NotFound(f.Settings), bodyTimeout)
		return
	}
	inv := &engine.Invocation{RequestID: request.RequestID, TraceID: request.TraceID, Payload: payload}
	if f.Streaming {
		f.stream(x, request, inv)
		return
	}
	replied := false
	out := f.Invoker.Invoke(inv, func(out *engine.Outcome) {
		if len(out.Body) <= smallBody {
			replied = true
			f.reply(x, request, f.response(out), smallReplyTimeout)
		}
	})
	if !replied {
		f.reply(x, request, f.response(out), bodyTimeout)
	}
}

func (f *Front) request(x *wire.Exchange) *httpevent.Request {
	header := make([]httpevent.Field, len(x.Header))
	for i, field := range x.Header {
		header[i] = httpevent.Field(field)
	}
	request := &httpevent.Request{
		Method:    x.Method,
		RawPath:   x.Path,
		RawQuery:  x.Query,
		Protocol:  x.Proto(),
		Header:    header,
		SourceIP:  x.Remote(),
		Time:      time.Now(),
		RequestID: f.NewID(),
		TraceID:   f.TraceID,
		Port:      f.Port,
	}
	if request.TraceID == "" {
		request.TraceID = newTraceID(request.Time)
	}
	return request
}

// newTraceID is what the service adds to a request that nobody traces.
func newTraceID(now time.Time) string {
	return fmt.Sprintf("Root=1-%08x-%08x%016x", uint32(now.Unix()), rand.Uint32(), rand.Uint64())
}

// response is what the service makes of an outcome.
func (f *Front) response(out *engine.Outcome) httpevent.Response {
	switch out.Kind {
	case engine.Success:
		response, err := httpevent.FromOutput(f.Settings, out.Body)
		if err == nil {
			return response
		}
		f.Log("The function's answer to request %s is malformed: %v", out.RequestID, err)
	case engine.Throttled:
		return httpevent.Response{
			Status: 429,
			Header: []httpevent.Field{{Name: "Content-Type", Value: "application/json"}, {Name: "Retry-After", Value: "1"}},
			Body:   []byte(`{"message":"Too Many Requests"}`),
		}
	case engine.Unavailable:
		return httpevent.Response{Status: 503}
	}
	return httpevent.BadGateway(f.Settings)
}

func (f *Front) reply(x *wire.Exchange, r *httpevent.Request, response httpevent.Response, limit time.Duration) {
	// A client that is gone does not need the answer.
	_ = x.ReplyWithin(limit, response.Status, f.header(r, response.Header), response.Body)
}

// header are the function's fields and the service's own.
func (f *Front) header(r *httpevent.Request, fields []httpevent.Field) wire.Header {
	service := httpevent.ServiceHeader(f.Settings, r)
	header := make(wire.Header, 0, len(fields)+len(service))
	for _, field := range fields {
		header = append(header, wire.Field(field))
	}
	for _, field := range service {
		header = append(header, wire.Field(field))
	}
	return header
}
