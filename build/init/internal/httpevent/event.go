package httpevent

import (
	"bytes"
	"encoding/json"
	"time"
)

// Event is the JSON that the service hands to the function. It is not ok if
// there is a route table and nothing in it answers the request: then
// NotFound is what the client gets.
func Event(s *Settings, r *Request) (payload []byte, ok bool) {
	switch s.Kind {
	case APIGatewayV1:
		found, ok := s.find(r)
		if !ok {
			return nil, false
		}
		return encode(newRESTEvent(s, r, found)), true
	case APIGatewayV2:
		found, ok := s.find(r)
		if !ok {
			return nil, false
		}
		return encode(newHTTPEvent(s, r, found)), true
	case FunctionURL:
		return encode(newURLEvent(s, r)), true
	default:
		return encode(newALBEvent(s, r)), true
	}
}

// encode writes an event. Its types are strings, numbers and maps of them, of
// which none can fail.
func encode(event any) []byte {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(event); err != nil {
		panic("httpevent: an event that is no JSON: " + err.Error())
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

// logTime is the time as access logs write it.
func logTime(t time.Time) string { return t.UTC().Format("02/Jan/2006:15:04:05 +0000") }

// nullable is nil for an empty string, which JSON has as null.
func nullable(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}
