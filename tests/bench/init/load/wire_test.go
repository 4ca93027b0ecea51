package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
)

func TestReadAnswer(t *testing.T) {
	tests := []struct {
		name string
		text string
		want answer
		fail string
	}{
		{name: "length", text: "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", want: answer{status: 200, body: []byte("hi")}},
		{name: "names in any case", text: "HTTP/1.1 200 OK\r\ncONTENT-lENGTH:2\r\nX-AMZN-requestid: a-b \r\n\r\nhi",
			want: answer{status: 200, callID: []byte("a-b"), body: []byte("hi")}},
		{name: "ids and error", text: "HTTP/1.1 200 OK\nLambda-Runtime-Aws-Request-Id: r\nX-Amz-Function-Error: Unhandled\nContent-Length: 0\n\n",
			want: answer{status: 200, runtimeID: []byte("r"), functionError: []byte("Unhandled")}},
		{name: "chunks", text: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;x=y\r\nhi\r\nA\r\n0123456789\r\n0\r\nTrailer: x\r\n\r\n",
			want: answer{status: 200, body: []byte("hi0123456789")}},
		{name: "interim", text: "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 202 Accepted\r\nContent-Length: 1\r\n\r\nx",
			want: answer{status: 202, body: []byte("x")}},
		{name: "no content", text: "HTTP/1.1 204 No Content\r\n\r\n", want: answer{status: 204}},
		{name: "close", text: "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n", want: answer{status: 200, close: true}},
		{name: "to the end", text: "HTTP/1.0 200 OK\r\n\r\nall of it", want: answer{status: 200, close: true, body: []byte("all of it")}},
		{name: "nothing", text: "", fail: "EOF"},
		{name: "cut status", text: "HTTP/1.1 20", fail: "unexpected EOF"},
		{name: "cut headers", text: "HTTP/1.1 200 OK\r\nA: b\r\n", fail: "unexpected EOF"},
		{name: "cut body", text: "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhi", fail: "unexpected EOF"},
		{name: "cut chunk", text: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nhi", fail: "unexpected EOF"},
		{name: "no HTTP", text: "SSH-2.0-x\r\n", fail: "no status line"},
		{name: "low status", text: "HTTP/1.1 099 x\r\n\r\n", fail: "no status line"},
		{name: "no header line", text: "HTTP/1.1 200 OK\r\nwhat\r\n\r\n", fail: "no header line"},
		{name: "length with sign", text: "HTTP/1.1 200 OK\r\nContent-Length: +2\r\n\r\nhi", fail: "expected a length"},
		{name: "length too large", text: "HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n", fail: "expected a length"},
		{name: "chunk too long", text: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nhi\r\n", fail: "longer than it says"},
		{name: "long line", text: "HTTP/1.1 200 OK\r\nA: " + strings.Repeat("b", bufferSize), fail: "header line is longer"},
		{name: "many headers", text: "HTTP/1.1 200 OK\r\n" + strings.Repeat("A: b\r\n", maxHeaders+1), fail: "more than 200 headers"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got := answer{body: []byte("left over"), callID: []byte("left over")}
			err := readAnswer(bufio.NewReaderSize(strings.NewReader(test.text), bufferSize), &got)
			if test.fail != "" {
				if err == nil || !strings.Contains(err.Error(), test.fail) {
					t.Fatalf("expected an error with %q, found %v", test.fail, err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if found, want := fmt.Sprintf("%q", fmt.Sprint(got)), fmt.Sprintf("%q", fmt.Sprint(test.want)); found != want {
				t.Errorf("expected %s, found %s", want, found)
			}
		})
	}
}

// FuzzReadAnswer: whatever comes, the reader ends, and no answer is larger than
// what came.
func FuzzReadAnswer(f *testing.F) {
	for _, seed := range []string{"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n",
		"HTTP/1.1 204 x\r\n\r\n", "HTTP/1.0 200 OK\r\n\r\nrest", "HTTP/1.1 100 C\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var got answer
		if err := readAnswer(bufio.NewReaderSize(bytes.NewReader(data), bufferSize), &got); err != nil {
			return
		}
		if got.status < 200 || got.status > 999 || len(got.body) > len(data) {
			t.Fatalf("status %d and %d bytes cannot come from %q", got.status, len(got.body), data)
		}
	})
}

// FuzzBodies: a body arrives as it was sent, in either framing, and what
// follows it is left alone.
func FuzzBodies(f *testing.F) {
	f.Add([]byte("hello"), 2)
	f.Add([]byte(""), 1)
	f.Add(bytes.Repeat([]byte("x\r\n"), 30000), 4096)
	f.Fuzz(func(t *testing.T, body []byte, chunk int) {
		for _, length := range []int64{int64(len(body)), -1} {
			var wire bytes.Buffer
			sent := http.Response{StatusCode: 200, ProtoMajor: 1, ProtoMinor: 1, ContentLength: length,
				Body: io.NopCloser(&slow{body, min(max(chunk, 1), 1<<16)})}
			if length < 0 {
				sent.TransferEncoding = []string{"chunked"}
			}
			if err := sent.Write(&wire); err != nil {
				t.Fatal(err)
			}
			wire.WriteString("next")
			r := bufio.NewReaderSize(&wire, bufferSize)
			var got answer
			if err := readAnswer(r, &got); err != nil {
				t.Fatal(err)
			}
			rest, err := io.ReadAll(r)
			if err != nil || string(rest) != "next" || !bytes.Equal(got.body, body) {
				t.Fatalf("length %d: expected %q, found %q and %q after it, %v", length, body, got.body, rest, err)
			}
		}
	})
}

// slow gives its bytes in small parts.
type slow struct {
	rest []byte
	part int
}

func (s *slow) Read(p []byte) (int, error) {
	if len(s.rest) == 0 {
		return 0, io.EOF
	}
	n := copy(p[:min(len(p), s.part)], s.rest)
	s.rest = s.rest[n:]
	return n, nil
}

func TestParseURL(t *testing.T) {
	for url, want := range map[string]target{
		"http://127.0.0.1:1/a/b": {"127.0.0.1:1", "/a/b"},
		"http://127.0.0.1:1":     {"127.0.0.1:1", "/"},
		"https://127.0.0.1:1/":   {},
		"http:///a":              {},
		"":                       {},
	} {
		got, err := parseURL(url)
		if got != want || (err != nil) != (want.host == "") {
			t.Errorf("%q: expected %v, found %v, %v", url, want, got, err)
		}
	}
}
