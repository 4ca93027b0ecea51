package httpevent

import (
	"strings"
	"testing"
)

const nuls = "\x00\x00\x00\x00\x00\x00\x00\x00"

func TestParsePrelude(t *testing.T) {
	cases := []struct {
		name, prelude, body string
		expected            string
	}{
		{"all members", `{"statusCode":201,"headers":{"Content-Type":"text/html"},"cookies":["a=1"]}`, "<p>", "201|Content-Type: text/html|set-cookie: a=1|"},
		{"no members", `{}`, "", "200|"},
		{"multi-value headers", `{"headers":{"a":"1"},"multiValueHeaders":{"A":["1","2"]}}`, "", "200|A: 1|A: 2|"},
		{"framing is ignored", `{"headers":{"content-length":"3","Transfer-Encoding":"chunked"}}`, "", "200|"},
		{"a body of NUL bytes", `{"statusCode":"404"}`, nuls + "x", "404|"},
		{"blanks", " \n{ } ", "x", "200|"},
		{"as long as may be", "{}" + strings.Repeat(" ", MaxPrelude-10), "x", "200|"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			whole := c.prelude + nuls + c.body
			p, offset, complete, err := ParsePrelude([]byte(whole))
			if err != nil || !complete {
				t.Fatalf("expected a prelude, found complete=%v, %v", complete, err)
			}
			if found := shown(Response{Status: p.Status, Header: p.Header}); found != c.expected {
				t.Errorf("expected %q, found %q", c.expected, found)
			}
			if whole[offset:] != c.body {
				t.Errorf("expected the body %q, found %q", c.body, whole[offset:])
			}
			for length := range len(c.prelude) + len(nuls) {
				if _, _, complete, err := ParsePrelude([]byte(whole[:length])); complete || err != nil {
					t.Fatalf("expected to be asked for more after %d bytes, found complete=%v, %v", length, complete, err)
				}
			}
		})
	}
}

func TestMalformedPrelude(t *testing.T) {
	cases := []struct{ name, stream, expected string }{
		{"no object", `Hello`, "is no JSON object"},
		{"nothing before the NUL bytes", nuls, "is no JSON object"},
		{"no JSON", `{"a` + nuls, "is no JSON object"},
		{"too few NUL bytes", "{}\x00\x00x", "it has fewer"},
		{"too late", "{}" + strings.Repeat(" ", MaxPrelude-9) + nuls, "within 16384 bytes"},
		{"never", "{" + strings.Repeat(" ", MaxPrelude), "within 16384 bytes"},
		{"a bad status", `{"statusCode":"OK"}` + nuls, `statusCode is "OK"`},
		{"a bad header", `{"headers":{"a":{}}}` + nuls, `the header "a"`},
		{"a bad multi-value header", `{"multiValueHeaders":{"a":[[]]}}` + nuls, `the header "a"`},
		{"bad cookies", `{"cookies":{}}` + nuls, `cookies is {}`},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			_, _, complete, err := ParsePrelude([]byte(c.stream))
			if complete || err == nil || !strings.Contains(err.Error(), c.expected) {
				t.Errorf("expected an error with %q, found complete=%v, %v", c.expected, complete, err)
			}
		})
	}
}

func FuzzParsePrelude(f *testing.F) {
	f.Add([]byte(`{"statusCode":201,"headers":{"a":"b"},"cookies":["c"]}`+nuls+"body"), 5)
	f.Add([]byte("{}\x00\x00\x00"), 3)
	f.Add([]byte(nuls), 0)
	f.Fuzz(func(t *testing.T, stream []byte, cut int) {
		p, offset, complete, err := ParsePrelude(stream)
		if !complete {
			if offset != 0 || p.Status != 0 {
				t.Errorf("expected nothing yet, found %v at %d", p, offset)
			}
			return
		}
		if err != nil || offset < len(delimiter) || offset > len(stream) || offset > MaxPrelude {
			t.Fatalf("expected an offset in the stream, found %d, %v", offset, err)
		}
		checkSendable(t, p.Status, p.Header)
		// What came earlier must not have been refused, nor read otherwise.
		if cut < 0 || cut > len(stream) {
			return
		}
		_, earlier, complete, err := ParsePrelude(stream[:cut])
		if err != nil || complete && earlier != offset || complete != (cut >= offset) {
			t.Errorf("after %d bytes: expected the same as later, found %d, %v, %v", cut, earlier, complete, err)
		}
	})
}
