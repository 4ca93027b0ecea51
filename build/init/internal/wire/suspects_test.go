package wire

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
)

const chunkedHead = "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"

// suspects are requests that could be read in two ways, or cost too much.
// status is what refuses the head; 0 is one that is taken, whose body is then
// broken, if it is.
var suspects = []struct {
	name, raw string
	status    int
	broken    bool
}{
	{"length and chunks", "POST / HTTP/1.1\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400, false},
	{"chunks and length", "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n", 400, false},
	{"two lengths", "POST / HTTP/1.1\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd", 400, false},
	{"equal lengths", "POST / HTTP/1.1\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\nabc", 0, false},
	{"equal lengths written differently", "POST / HTTP/1.1\r\nContent-Length: 3\r\nContent-Length: 03\r\n\r\nabc", 400, false},
	{"lengths in a list", "POST / HTTP/1.1\r\nContent-Length: 3, 3\r\n\r\nabc", 400, false},
	{"positive length", "POST / HTTP/1.1\r\nContent-Length: +3\r\n\r\nabc", 400, false},
	{"negative length", "POST / HTTP/1.1\r\nContent-Length: -3\r\n\r\nabc", 400, false},
	{"hexadecimal length", "POST / HTTP/1.1\r\nContent-Length: 0x3\r\n\r\nabc", 400, false},
	{"grouped length", "POST / HTTP/1.1\r\nContent-Length: 1_0\r\n\r\n0123456789", 400, false},
	{"empty length", "POST / HTTP/1.1\r\nContent-Length:\r\n\r\n", 400, false},
	{"length of 63 bits", "POST / HTTP/1.1\r\nContent-Length: 9223372036854775807\r\n\r\nabc", 0, true},
	{"length of 64 bits", "POST / HTTP/1.1\r\nContent-Length: 9223372036854775808\r\n\r\nabc", 400, false},
	{"length of many digits", "POST / HTTP/1.1\r\nContent-Length: " + strings.Repeat("9", 400) + "\r\n\r\nabc", 400, false},
	{"blank before the colon", "POST / HTTP/1.1\r\nContent-Length : 3\r\n\r\nabc", 400, false},
	{"tab before the colon", "POST / HTTP/1.1\r\nTransfer-Encoding\t: chunked\r\n\r\n0\r\n\r\n", 400, false},
	{"blank before the name", "POST / HTTP/1.1\r\nA: b\r\n Content-Length: 3\r\n\r\nabc", 400, false},
	{"folded value", "POST / HTTP/1.1\r\nTransfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n", 400, false},
	{"blank first line of fields", "GET / HTTP/1.1\r\n \r\nA: b\r\n\r\n", 400, false},
	{"unknown coding", "POST / HTTP/1.1\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 501, false},
	{"identity", "POST / HTTP/1.1\r\nTransfer-Encoding: identity\r\nContent-Length: 3\r\n\r\nabc", 501, false},
	{"chunked twice", "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 501, false},
	{"chunked, then identity", "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n", 501, false},
	{"vertical tab in a coding", "POST / HTTP/1.1\r\nTransfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n", 400, false},
	{"quoted coding", "POST / HTTP/1.1\r\nTransfer-Encoding: \"chunked\"\r\n\r\n0\r\n\r\n", 501, false},
	{"coding with a letter that folds to k", "POST / HTTP/1.1\r\nTransfer-Encoding: chun\u212Aed\r\n\r\n0\r\n\r\n", 501, false},
	{"empty coding", "POST / HTTP/1.1\r\nTransfer-Encoding:\r\n\r\n", 501, false},
	{"chunks in 1.0", "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 501, false},
	{"two hosts", "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400, false},
	{"NUL in a value", "GET / HTTP/1.1\r\nA: b\x00c\r\n\r\n", 400, false},
	{"NUL in a name", "GET / HTTP/1.1\r\nA\x00: b\r\n\r\n", 400, false},
	{"delete in a value", "GET / HTTP/1.1\r\nA: b\x7f\r\n\r\n", 400, false},
	{"carriage return in a value", "GET / HTTP/1.1\r\nA: b\rContent-Length: 3\r\n\r\nabc", 400, false},
	{"two carriage returns", "GET / HTTP/1.1\r\nA: b\r\r\n\r\n", 400, false},
	{"no name", "GET / HTTP/1.1\r\n: b\r\n\r\n", 400, false},
	{"no colon", "GET / HTTP/1.1\r\nA\r\n\r\n", 400, false},
	{"name beyond ASCII", "GET / HTTP/1.1\r\nContent-Length\u00a0: 3\r\n\r\n", 400, false},
	{"empty lines first", "\r\n\n\r\nGET / HTTP/1.1\r\n\r\n", 0, false},
	{"bare line feeds", "POST / HTTP/1.1\nContent-Length: 3\n\nabc", 0, false},
	{"line feeds of both kinds", "POST / HTTP/1.1\r\nContent-Length: 3\n\r\nabc", 0, false},
	{"no version", "GET /\r\n\r\n", 400, false},
	{"version 0.9", "GET / HTTP/0.9\r\n\r\n", 505, false},
	{"version 1.2", "GET / HTTP/1.2\r\n\r\n", 505, false},
	{"version 2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505, false},
	{"version in small letters", "GET / http/1.1\r\n\r\n", 400, false},
	{"version of more digits", "GET / HTTP/1.10\r\n\r\n", 400, false},
	{"blank behind the version", "GET / HTTP/1.1 \r\n\r\n", 400, false},
	{"two blanks", "GET  / HTTP/1.1\r\n\r\n", 400, false},
	{"tabs for blanks", "GET\t/\tHTTP/1.1\r\n\r\n", 400, false},
	{"blank in the target", "GET /a b HTTP/1.1\r\n\r\n", 400, false},
	{"NUL in the target", "GET /\x00 HTTP/1.1\r\n\r\n", 400, false},
	{"no slash", "GET a HTTP/1.1\r\n\r\n", 400, false},
	{"authority", "CONNECT a:80 HTTP/1.1\r\n\r\n", 400, false},
	{"another scheme", "GET file:///etc/passwd HTTP/1.1\r\n\r\n", 400, false},
	{"method with a colon", "GET: / HTTP/1.1\r\n\r\n", 400, false},
	{"no method", " / HTTP/1.1\r\n\r\n", 400, false},
	{"TLS", "\x16\x03\x01\x00\xa5\x01\n\n", 400, false},
	{"unknown expectation", "POST / HTTP/1.1\r\nExpect: 200-ok\r\n\r\n", 417, false},
	{"too many fields", "GET / HTTP/1.1\r\n" + strings.Repeat("a:\r\n", maxFields+1) + "\r\n", 431, false},
	{"as many fields as may be", "GET / HTTP/1.1\r\n" + strings.Repeat("a:\r\n", maxFields) + "\r\n", 0, false},
	{"large head", "GET /" + strings.Repeat("a", maxHead) + " HTTP/1.1\r\n\r\n", 431, false},
	{"large head without an end", "GET /" + strings.Repeat("a", maxHead), 431, false},

	{"chunk extension", chunkedHead + "3;a=b;c=\"d\"\r\nabc\r\n0;e\r\n\r\n", 0, false},
	{"chunk size of 15 digits", chunkedHead + "000000000000003\r\nabc\r\n0\r\n\r\n", 0, false},
	{"chunk size of 16 digits", chunkedHead + "0000000000000003\r\nabc\r\n0\r\n\r\n", 0, true},
	{"chunk size that overflows", chunkedHead + "10000000000000003\r\nabc\r\n0\r\n\r\n", 0, true},
	{"large chunk that does not come", chunkedHead + "fffffffffffffff\r\nabc\r\n0\r\n\r\n", 0, true},
	{"negative chunk size", chunkedHead + "-3\r\nabc\r\n0\r\n\r\n", 0, true},
	{"positive chunk size", chunkedHead + "+3\r\nabc\r\n0\r\n\r\n", 0, true},
	{"marked chunk size", chunkedHead + "0x3\r\nabc\r\n0\r\n\r\n", 0, true},
	{"blank before a chunk size", chunkedHead + " 3\r\nabc\r\n0\r\n\r\n", 0, true},
	{"two chunk sizes", chunkedHead + "3 3\r\nabc\r\n0\r\n\r\n", 0, true},
	{"no chunk size", chunkedHead + "\r\nabc\r\n0\r\n\r\n", 0, true},
	{"extension without a size", chunkedHead + ";a\r\nabc\r\n0\r\n\r\n", 0, true},
	{"bare line feed behind a chunk size", chunkedHead + "3\nabc\r\n0\r\n\r\n", 0, true},
	{"bare line feed behind an extension", chunkedHead + "3;a\nabc\r\n0\r\n\r\n", 0, true},
	{"carriage return in an extension", chunkedHead + "3;a\rb\r\nabc\r\n0\r\n\r\n", 0, true},
	{"bare line feed behind a chunk", chunkedHead + "3\r\nabc\n0\r\n\r\n", 0, true},
	{"chunk longer than its size", chunkedHead + "3\r\nabcd\r\n0\r\n\r\n", 0, true},
	{"chunk shorter than its size", chunkedHead + "4\r\nabc\r\n0\r\n\r\n", 0, true},
	{"no last chunk", chunkedHead + "3\r\nabc\r\n", 0, true},
	{"no end of the trailer", chunkedHead + "3\r\nabc\r\n0\r\n", 0, true},
	{"bare line feed behind the last chunk", chunkedHead + "3\r\nabc\r\n0\r\n\n", 0, true},
	{"malformed trailer", chunkedHead + "0\r\nA : b\r\n\r\n", 0, true},
	{"long chunk line", chunkedHead + "3;" + strings.Repeat("a", 2*maxLine) + "\r\nabc\r\n0\r\n\r\n", 0, true},
	{"chunk line as long as may be", chunkedHead + "3;" + strings.Repeat("a", maxLine-3) + "\r\nabc\r\n0\r\n\r\n", 0, false},
	{"chunk line that is a byte longer", chunkedHead + "3;" + strings.Repeat("a", maxLine-2) + "\r\nabc\r\n0\r\n\r\n", 0, true},
	{"extensions without end", chunkedHead + strings.Repeat("1;"+strings.Repeat("a", 4000)+"\r\nx\r\n", 9) + "0\r\n\r\n", 0, true},
	{"chunks of one byte", chunkedHead + strings.Repeat("1\r\nx\r\n", 9999) + "0\r\n\r\n", 0, false},
	{"trailer with too many fields", chunkedHead + "0\r\n" + strings.Repeat("a:\r\n", maxFields+1) + "\r\n", 0, true},
	{"large trailer", chunkedHead + "0\r\n" + strings.Repeat("a: "+strings.Repeat("b", 60000)+"\r\n", 20) + "\r\n", 0, true},
	{"large trailer field", chunkedHead + "0\r\na: " + strings.Repeat("b", 2*maxHead) + "\r\n\r\n", 0, true},
}

func TestSuspects(t *testing.T) {
	for _, c := range suspects {
		t.Run(c.name, func(t *testing.T) {
			found, err := parseOurs([]byte(c.raw), nil)
			status := 0
			var refused *refusal
			if errors.As(err, &refused) {
				status = refused.status
			} else if err != nil {
				t.Fatal(err)
			}
			if status != c.status {
				t.Errorf("status %d, expected %d (%v)", status, c.status, err)
			}
			if broken := found.bodyErr != nil; broken != c.broken {
				t.Errorf("the body's error is %v", found.bodyErr)
			}
		})
	}
}

// swallows are those that what follows belongs to.
var swallows = map[string]bool{
	"length of 63 bits":              true,
	"large chunk that does not come": true,
	"no end of the trailer":          true,
}

// TestSuspectsOverAConnection sends them, with another request behind each that
// must never be answered when the first was not understood.
func TestSuspectsOverAConnection(t *testing.T) {
	s := start(t, &Server{Handler: func(x *Exchange) {
		if x.Path == "/smuggled" {
			_ = x.Reply(299, nil, nil)
			return
		}
		if _, err := x.ReadAll(1<<20, 0); err != nil {
			_ = x.Reply(413, nil, nil)
			return
		}
		_ = x.Reply(200, nil, nil)
	}})
	for _, c := range suspects {
		if len(c.raw) > 100<<10 || swallows[c.name] {
			continue
		}
		t.Run(c.name, func(t *testing.T) {
			conn := s.dial(t)
			conn.say(c.raw + "\r\n\r\nGET /smuggled HTTP/1.1\r\nConnection: close\r\n\r\n")
			conn.halfClose()
			statuses := conn.statuses()
			expected := []int{200, 299}
			if c.broken {
				expected = []int{413}
			} else if c.status != 0 {
				expected = []int{c.status}
			}
			if !slices.Equal(statuses, expected) {
				t.Errorf("answers %v (%s), expected %v", statuses, http.StatusText(statuses[0]), expected)
			}
		})
	}
}
