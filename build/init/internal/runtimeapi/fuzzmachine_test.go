package runtimeapi

import (
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// machine is what the runtime may do next, by docker-lambda's table and the
// emulator's.
type machine struct {
	dialect Dialect
	several bool
	state   string
	closed  bool
	waiting []*Event
	held    []*Event // those that the runtime has
	parked  int      // requests that wait for an event
}

// steps has the states that a step may be taken from.
var steps = map[string][]string{
	"INIT_ERROR":      {"INIT"},
	"INVOKE_NEXT":     {"INIT", "INVOKE_NEXT", "INVOKE_RESPONSE", "INVOKE_ERROR"},
	"INVOKE_RESPONSE": {"INVOKE_NEXT"},
	"INVOKE_ERROR":    {"INVOKE_NEXT"},
}

// enter takes a step; otherwise it returns what the runtime is told.
func (m *machine) enter(to string) (refusal string) {
	twice := m.dialect == Emulator && to == "INVOKE_NEXT" && m.state == to && len(m.held) > 0 && !m.several
	if !slices.Contains(steps[to], m.state) || twice {
		return fmt.Sprintf("Transition from STATE_%s to STATE_%s is not allowed.", m.state, to)
	}
	answer := to == "INVOKE_RESPONSE" || to == "INVOKE_ERROR"
	if to == "INVOKE_NEXT" && m.state != to && !m.several {
		m.held = nil
	}
	if !answer || !m.several {
		m.state = to
	}
	return ""
}

func (m *machine) give(e *Event) {
	if m.state = "INVOKE_NEXT"; !m.several {
		m.held = nil
	}
	m.held = append(m.held, e)
}

// fuzzBody is what a runtime sends with an answer.
type fuzzBody struct {
	content string
	mode    string
	trailer string // the body of an error behind a stream
	broken  bool   // it ends in the middle
}

func newFuzzBody(path string, arg byte) fuzzBody {
	var b fuzzBody
	response := []string{"1", "", strings.Repeat("x", fuzzLimit+1), strings.Repeat("x", fuzzStreamLimit+1), "broken", strings.Repeat("x", fuzzLimit), "[]", "1"}
	failure := []string{`{"errorMessage":"m"}`, "no JSON", strings.Repeat("x", fuzzLimit+1), `"no error"`, "broken", "{}", `{"cause":{"cause":1}}`, `{"cause":{}}`}
	kind := arg & 7
	b.broken = kind == 4
	b.content = failure[kind]
	if path == "response" {
		b.content = response[kind]
		if arg&8 != 0 {
			b.mode = "streaming"
		}
		if b.mode != "" && arg&16 != 0 {
			b.trailer = `{"errorMessage":"midstream"}`
		}
	}
	if arg>>5 == 7 {
		b.mode = "buffered"
	}
	return b
}

// request is the whole request, but for its end if it is broken.
func (b fuzzBody) request(path string) string {
	head := "POST " + path + " HTTP/1.1\r\nHost: x\r\n"
	if b.mode != "" {
		head += "Lambda-Runtime-Function-Response-Mode: " + b.mode + "\r\n"
	}
	if b.mode != "streaming" {
		size := len(b.content)
		if b.broken {
			size += 5
		}
		return head + fmt.Sprintf("Content-Length: %d\r\n\r\n%s", size, b.content)
	}
	out := head + "Transfer-Encoding: chunked\r\n\r\n"
	for rest := b.content; rest != ""; {
		n := min(len(rest), 60)
		out += fmt.Sprintf("%x\r\n%s\r\n", n, rest[:n])
		rest = rest[n:]
	}
	switch {
	case b.broken:
		return out + "5\r\nbro"
	case b.trailer != "":
		return out + "0\r\nLambda-Runtime-Function-Error-Type: My.Error\r\nLambda-Runtime-Function-Error-Body: " +
			base64.StdEncoding.EncodeToString([]byte(b.trailer)) + "\r\n\r\n"
	default:
		return out + "0\r\n\r\n"
	}
}

// verdict is what an accepted answer comes to: for the runtime, and for the
// caller.
type verdict struct {
	status int
	part   string
	Answer
}

func (b fuzzBody) answer(dialect Dialect, failed, taken bool) verdict {
	limit := fuzzLimit
	if taken {
		limit = fuzzStreamLimit
	}
	v := verdict{202, `{"status":"OK"}`, Answer{Body: []byte(b.content), Failed: failed, Streamed: taken}}
	shapeless := failed && dialect == DockerLambda && slices.Contains([]string{"no JSON", `"no error"`, `{"cause":{"cause":1}}`}, b.content)
	switch {
	case b.broken && dialect == Emulator:
		return verdict{400, "TruncatedHTTPRequest", Answer{Failed: true, Truncated: true, Streamed: taken}}
	case b.broken:
		return verdict{500, "BodyReadError", Answer{Failed: true, Truncated: true, Streamed: taken}}
	case len(b.content) > limit:
		return verdict{413, "RequestEntityTooLarge", Answer{Failed: true, TooLarge: true, Streamed: taken}}
	case shapeless:
		v.status, v.part, v.Body = 299, `{"status":"InvalidErrorShape"}`, []byte(`{"errorMessage":"InvalidErrorShape"}`)
	case b.trailer != "":
		v.Failed, v.Body = true, []byte(b.trailer)
	}
	return v
}

func sameAnswer(t *testing.T, found, expected Answer) {
	t.Helper()
	same := found.Failed == expected.Failed && found.TooLarge == expected.TooLarge &&
		found.Truncated == expected.Truncated && found.Streamed == expected.Streamed
	if !same || string(found.Body) != string(expected.Body) {
		t.Fatalf("expected %+v, found %+v", expected, found)
	}
}
