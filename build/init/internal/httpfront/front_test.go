package httpfront

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"imagemill/init/internal/engine"
	"imagemill/init/internal/httpevent"
	"imagemill/init/internal/wiretest"
)

// function answers every event with the same outcome.
type function struct {
	out engine.Outcome
	// contentType and pieces are what a streamed answer begins with.
	contentType string
	pieces      []string

	last *engine.Invocation
}

func (f *function) Invoke(inv *engine.Invocation, early func(*engine.Outcome)) *engine.Outcome {
	f.last = inv
	if f.out.Streamed {
		inv.Taker.Begin(f.contentType)
		for _, piece := range f.pieces {
			inv.Taker.Write([]byte(piece))
		}
	}
	if early != nil {
		early(&f.out)
	}
	return &f.out
}

// log takes what people are told.
type log struct{ strings.Builder }

func front(f *function, said *log, kind httpevent.Kind, streaming bool) *Front {
	return &Front{
		Settings: &httpevent.Settings{
			Kind: kind, AccountID: "012345678912", Region: "us-east-1",
			FunctionARN: "arn:aws:lambda:us-east-1:012345678912:function:f",
		},
		Streaming: streaming, Port: "8000", Invoker: f,
		NewID: func() string { return "id" },
		Log:   func(format string, args ...any) { fmt.Fprintf(said, format+"\n", args...) },
	}
}

func TestOutcomes(t *testing.T) {
	const response = `{"statusCode":201,"headers":{"x-mine":"yes"},"body":"made","isBase64Encoded":false}`
	cases := []struct {
		name   string
		out    engine.Outcome
		status int
		body   string
		log    string
	}{
		{"success", engine.Outcome{Kind: engine.Success, Body: []byte(response)}, 201, "made", ""},
		{"a large response", engine.Outcome{Kind: engine.Success, Body: []byte(strings.Replace(response, "made", strings.Repeat("x", smallBody), 1))},
			201, strings.Repeat("x", smallBody), ""},
		{"malformed output", engine.Outcome{Kind: engine.Success, Body: []byte(`"text"`), RequestID: "id"},
			502, `{"message": "Internal server error"}`, "The function's answer to request id is malformed"},
		{"function error", engine.Outcome{Kind: engine.FunctionError, Body: []byte(`{}`)}, 502, `{"message": "Internal server error"}`, ""},
		{"timeout", engine.Outcome{Kind: engine.Timeout}, 502, `{"message": "Internal server error"}`, ""},
		{"runtime exit", engine.Outcome{Kind: engine.RuntimeExit}, 502, `{"message": "Internal server error"}`, ""},
		{"init error", engine.Outcome{Kind: engine.InitError}, 502, `{"message": "Internal server error"}`, ""},
		{"no bootstrap", engine.Outcome{Kind: engine.StartFailure}, 502, `{"message": "Internal server error"}`, ""},
		{"response too large", engine.Outcome{Kind: engine.ResponseTooLarge}, 502, `{"message": "Internal server error"}`, ""},
		{"extension failure", engine.Outcome{Kind: engine.ExtensionFailure}, 502, `{"message": "Internal server error"}`, ""},
		{"throttled", engine.Outcome{Kind: engine.Throttled}, 429, `{"message":"Too Many Requests"}`, ""},
		{"shutting down", engine.Outcome{Kind: engine.Unavailable}, 503, "", ""},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			said := &log{}
			s := wiretest.Handle(t, front(&function{out: c.out}, said, httpevent.APIGatewayV1, false).Serve)
			found := s.Call("GET", "/a", "")
			if found.Code != c.status || found.Body != c.body {
				t.Errorf("expected %d %.80q, found %d %.80q", c.status, c.body, found.Code, found.Body)
			}
			if !strings.HasPrefix(said.String(), c.log) || c.log == "" && said.String() != "" {
				t.Errorf("expected the log %q, found %q", c.log, said)
			}
		})
	}
}

func TestTheEventTellsOfTheRequest(t *testing.T) {
	f := &function{out: engine.Outcome{Kind: engine.Success, Body: []byte(`{"statusCode":200}`)}}
	server := front(f, &log{}, httpevent.APIGatewayV2, false)
	s := wiretest.Handle(t, server.Serve)
	s.Call("POST", "/a?b=c", "body", "X-Mine", "yes", "Content-Type", "text/plain")
	for _, part := range []string{`"rawPath":"/a"`, `"rawQueryString":"b=c"`, `"x-mine":"yes"`, `"body":"body"`, `"isBase64Encoded":false`} {
		if !strings.Contains(string(f.last.Payload), part) {
			t.Errorf("%s is not in %s", part, f.last.Payload)
		}
	}
	if !strings.HasPrefix(f.last.TraceID, "Root=1-") || f.last.RequestID != "id" {
		t.Errorf("found trace %q and request id %q", f.last.TraceID, f.last.RequestID)
	}
	server.TraceID = "Root=1-fixed"
	s.Call("GET", "/", "")
	if f.last.TraceID != "Root=1-fixed" {
		t.Errorf("found trace %q", f.last.TraceID)
	}
}

func TestWhatIsRefusedReachesNoFunction(t *testing.T) {
	f := &function{}
	server := front(f, &log{}, httpevent.ALB, false)
	if found := wiretest.Handle(t, server.Serve).Call("POST", "/", strings.Repeat("x", 1<<20+1)); found.Code != 413 {
		t.Errorf("too large: found %d", found.Code)
	}
	routes, err := httpevent.ParseRoutes("GET /only")
	if err != nil {
		t.Fatal(err)
	}
	server = front(f, &log{}, httpevent.APIGatewayV2, false)
	server.Settings.Routes = routes
	if found := wiretest.Handle(t, server.Serve).Call("GET", "/other", ""); found.Code != 404 {
		t.Errorf("no route: found %d", found.Code)
	}
	if f.last != nil {
		t.Errorf("the function was called: %s", f.last.Payload)
	}
}

func TestStreams(t *testing.T) {
	const prelude = `{"statusCode":418,"headers":{"x-mine":"yes"},"cookies":["a=1"]}` + "\x00\x00\x00\x00\x00\x00\x00\x00"
	whole := engine.Outcome{Kind: engine.Success, Streamed: true, RequestID: "id"}
	cases := []struct {
		name   string
		f      function
		status int
		body   string
		header map[string]string
		log    string
		broken bool
	}{
		{name: "no prelude", f: function{out: whole, contentType: "text/html", pieces: []string{"a", "b"}},
			status: 200, body: "ab", header: map[string]string{"Content-Type": "text/html"}},
		{name: "no prelude, no type", f: function{out: whole, pieces: []string{"a"}},
			status: 200, body: "a", header: map[string]string{"Content-Type": "application/octet-stream"}},
		{name: "a prelude in one piece", f: function{out: whole, contentType: httpevent.PreludeType, pieces: []string{prelude + "a", "b"}},
			status: 418, body: "ab", header: map[string]string{"X-Mine": "yes", "Set-Cookie": "a=1"}},
		{name: "a prelude byte by byte", f: function{out: whole, contentType: httpevent.PreludeType, pieces: strings.Split(prelude+"ab", "")},
			status: 418, body: "ab", header: map[string]string{"X-Mine": "yes"}},
		{name: "a malformed prelude", f: function{out: whole, contentType: httpevent.PreludeType, pieces: []string{"[]\x00\x00\x00\x00\x00\x00\x00\x00", "a"}},
			status: 502, body: "Internal Server Error", log: "The function's answer to request id is malformed"},
		{name: "an end within the prelude", f: function{out: whole, contentType: httpevent.PreludeType, pieces: []string{`{"statusCode":`}},
			status: 502, body: "Internal Server Error", log: "The function's answer to request id is malformed: " + errNoPrelude.Error()},
		{name: "broken off", f: function{out: engine.Outcome{Kind: engine.FunctionError, Streamed: true}, pieces: []string{"half"}},
			status: 200, body: "half", broken: true},
		{name: "an error before the first byte", f: function{out: engine.Outcome{Kind: engine.FunctionError, Streamed: true}, pieces: []string{""}},
			status: 502, body: "Internal Server Error"},
		{name: "an end before the first byte", f: function{out: whole, contentType: "text/html", pieces: []string{""}},
			status: 200, header: map[string]string{"Content-Type": "text/html"}},
		{name: "not streamed", f: function{out: engine.Outcome{Kind: engine.Success, Body: []byte(`{"statusCode":204}`)}}, status: 204},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			said := &log{}
			s := wiretest.Handle(t, front(&c.f, said, httpevent.FunctionURL, true).Serve)
			res, err := s.Client.Get(s.URL + "/")
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = res.Body.Close() }()
			body, err := io.ReadAll(res.Body)
			if (err != nil) != c.broken {
				t.Errorf("reading the answer: %v", err)
			}
			if res.StatusCode != c.status || string(body) != c.body {
				t.Errorf("expected %d %q, found %d %q", c.status, c.body, res.StatusCode, body)
			}
			check(t, res.Header, c.header)
			if !strings.HasPrefix(said.String(), c.log) || c.log == "" && said.String() != "" {
				t.Errorf("expected the log %q, found %q", c.log, said)
			}
		})
	}
}

func check(t *testing.T, found http.Header, expected map[string]string) {
	t.Helper()
	for name, value := range expected {
		if found.Get(name) != value {
			t.Errorf("%s: expected %q, found %q", name, value, found.Get(name))
		}
	}
}
