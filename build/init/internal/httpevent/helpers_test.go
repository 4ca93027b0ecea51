package httpevent

import (
	"encoding/base64"
	"encoding/json"
	"testing"
	"time"
)

var kinds = []Kind{APIGatewayV1, APIGatewayV2, FunctionURL, ALB}

func settings(kind Kind) *Settings {
	return &Settings{
		Kind:        kind,
		AccountID:   "123456789012",
		Region:      "eu-west-1",
		FunctionARN: "arn:aws:lambda:eu-west-1:123456789012:function:shop",
	}
}

// bareRequest has nothing that a request need not have.
func bareRequest() *Request {
	return &Request{
		Method:    "GET",
		RawPath:   "/",
		Protocol:  "HTTP/1.1",
		Header:    []Field{{"Host", "localhost:8000"}},
		SourceIP:  "192.0.2.7",
		Time:      time.Date(2026, 3, 4, 19, 15, 17, 250e6, time.UTC),
		RequestID: "8f9d6a52-1c0e-4d5f-9a43-6f1f5a4f2f00",
		Port:      "8000",
	}
}

// richRequest has something of everything.
func richRequest() *Request {
	r := bareRequest()
	r.Method = "POST"
	r.RawPath = "/users/caf%C3%A9%20au%2Flait/files"
	r.RawQuery = "tag=a%26b&tag=c+d&flag&bad=100%&html=<b>"
	r.Header = []Field{
		{"Host", "localhost:8000"},
		{"User-Agent", "probe/1.0"},
		{"Content-Type", "application/json; charset=utf-8"},
		{"Accept", "text/html"},
		{"accept", "text/plain"},
		{"Cookie", "session=1; theme=dark"},
		{"Cookie", "lang=fr"},
		{"X-Forwarded-For", "203.0.113.9"},
		{"X-Forwarded-Proto", "gopher"},
		{"X-Amzn-Trace-Id", "Root=1-00000000-ffffffffffffffffffffffff"},
		{"Transfer-Encoding", "chunked"},
		{"Connection", "keep-alive"},
		{"Keep-Alive", "timeout=5"},
		{"Server", "not from a client"},
	}
	r.Body = []byte(`{"name": "<Zoë> & co"}`)
	r.TraceID = "Root=1-5f84c7a9-0a1b2c3d4e5f60718293a4b5;Parent=53995c3f42cd8ad8;Sampled=1"
	return r
}

// object is the event as a function would read it.
func object(t *testing.T, s *Settings, r *Request) map[string]any {
	t.Helper()
	payload, ok := Event(s, r)
	if !ok {
		t.Fatal("expected an event, found no route")
	}
	var event map[string]any
	if err := json.Unmarshal(payload, &event); err != nil {
		t.Fatalf("the event is no JSON: %v\n%s", err, payload)
	}
	return event
}

// at is what is found on the way down from a value along some keys, and
// whether the last of them is there.
func at(value any, keys ...string) (any, bool) {
	for _, key := range keys {
		object, ok := value.(map[string]any)
		if !ok {
			return nil, false
		}
		if value, ok = object[key]; !ok {
			return nil, false
		}
	}
	return value, true
}

// bodyOf is the request's body as a function would get it from an event.
func bodyOf(t *testing.T, event map[string]any) string {
	t.Helper()
	body, _ := event["body"].(string)
	if event["isBase64Encoded"] != true {
		return body
	}
	decoded, err := base64.StdEncoding.DecodeString(body)
	if err != nil {
		t.Fatalf("the body is no base64: %v", err)
	}
	return string(decoded)
}
