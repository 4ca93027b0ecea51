package httpevent

import "encoding/json"

// urlEvent is what a function URL sends: payload format 2.0, with null for
// what only APIs have. Of the keys that may be null or absent, those that the
// documentation's example has are null, and authorizer is, as with the auth
// type NONE.
type urlEvent struct {
	httpEvent
	PathParameters json.RawMessage `json:"pathParameters"`
	StageVariables json.RawMessage `json:"stageVariables"`
}

var null = json.RawMessage("null")

// newURLEvent keeps the path escaped, as function URLs do.
func newURLEvent(s *Settings, r *Request) urlEvent {
	event := newPayload2(s, r, r.path(), defaultPath)
	event.RequestContext.Authentication = null
	event.RequestContext.Authorizer = null
	return urlEvent{httpEvent: event, PathParameters: null, StageVariables: null}
}
