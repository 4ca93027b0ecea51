package telemetry

import (
	"bufio"
	"bytes"
	"strings"
	"testing"
)

func TestReadAnswer(t *testing.T) {
	cases := []struct {
		name, text string
		expected   answer
		left       string
	}{
		{"kept", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP", answer{200, true}, "HTTP"},
		{"names in any case", "HTTP/1.1 200 OK\r\nCONTENT-LENGTH:2\r\n\r\nokHTTP", answer{200, true}, "HTTP"},
		{"closed", "HTTP/1.1 200 OK\r\nConnection: Close\r\nContent-Length: 0\r\n\r\n", answer{200, false}, ""},
		{"old", "HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n", answer{200, false}, ""},
		{"no length", "HTTP/1.1 200 OK\r\n\r\nok", answer{200, false}, "ok"},
		{"chunks", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n", answer{200, false}, "0\r\n"},
		{"no body", "HTTP/1.1 204 No Content\r\n\r\nHTTP", answer{204, true}, "HTTP"},
		{"cut body", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok", answer{200, false}, ""},
		{"more to come", "HTTP/1.1 103 Early\r\nA: b\r\n\r\nHTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n", answer{503, true}, ""},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			r := bufio.NewReader(strings.NewReader(c.text))
			found, err := readAnswer(r)
			left := make([]byte, r.Buffered())
			_, _ = r.Read(left)
			if err != nil || found != c.expected || string(left) != c.left {
				t.Errorf("expected %+v and %q, found %+v, %q, %v", c.expected, c.left, found, left, err)
			}
		})
	}
}

func TestReadAnswerFaults(t *testing.T) {
	cases := []struct{ name, text string }{
		{"nothing", ""},
		{"no HTTP", "hello\r\n\r\n"},
		{"HTTP/2", "HTTP/2 200 OK\r\n\r\n"},
		{"no status", "HTTP/1.1 \r\n\r\n"},
		{"status of four digits", "HTTP/1.1 2000\r\n\r\n"},
		{"status is a word", "HTTP/1.1 abc\r\n\r\n"},
		{"status too low", "HTTP/1.1 099\r\n\r\n"},
		{"no end of the head", "HTTP/1.1 200 OK\r\nA: b\r\n"},
		{"negative length", "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n"},
		{"length is a word", "HTTP/1.1 200 OK\r\nContent-Length: a\r\n\r\n"},
		{"never ends", strings.Repeat("HTTP/1.1 100 Continue\r\n\r\n", 1000)},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if found, err := readAnswer(bufio.NewReader(strings.NewReader(c.text))); err == nil || found != (answer{}) {
				t.Errorf("found %+v, %v", found, err)
			}
		})
	}
}

// FuzzReadAnswer: what is taken for an answer has a status, and one that
// leaves the connection in order is read to its end.
func FuzzReadAnswer(f *testing.F) {
	f.Add([]byte("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"))
	f.Add([]byte("HTTP/1.1 100 \n\nHTTP/1.0 204\nConnection: keep-alive, close\n\n"))
	f.Add([]byte("HTTP/1.1 200\r\nTransfer-Encoding: gzip\r\n\r\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		const next = "HTTP/1.1 299 Next\r\nContent-Length: 0\r\n\r\n"
		a, err := readAnswer(bufio.NewReader(bytes.NewReader(data)))
		if err != nil {
			if a != (answer{}) {
				t.Errorf("found %+v and %v", a, err)
			}
			return
		}
		if a.status < 200 || a.status > 999 {
			t.Errorf("status %d", a.status)
		}
		if !a.reusable {
			return
		}
		r := bufio.NewReader(strings.NewReader(string(data) + next))
		if again, err := readAnswer(r); err != nil || again != a {
			t.Errorf("with more behind it: %+v, %v", again, err)
		}
	})
}
