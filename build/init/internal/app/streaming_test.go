package app

import (
	"encoding/binary"
	"hash/crc32"
	"io"
	"net/http"
	"strings"
	"testing"
)

const streamPath = "/2021-11-15/functions/f/response-streaming-invocations"

// message is one of an event stream.
type message struct {
	header  map[string]string
	payload string
}

// readMessages reads AWS's event stream encoding, checksums and all.
func readMessages(t *testing.T, raw []byte) []message {
	t.Helper()
	var messages []message
	for len(raw) > 0 {
		total, headers := binary.BigEndian.Uint32(raw), binary.BigEndian.Uint32(raw[4:])
		equal(t, "prelude's checksum", crc32.ChecksumIEEE(raw[:8]), binary.BigEndian.Uint32(raw[8:]))
		equal(t, "checksum", crc32.ChecksumIEEE(raw[:total-4]), binary.BigEndian.Uint32(raw[total-4:]))
		m := message{header: map[string]string{}, payload: string(raw[12+headers : total-4])}
		for h := raw[12 : 12+headers]; len(h) > 0; {
			name := string(h[1 : 1+h[0]])
			h = h[1+h[0]:]
			equal(t, "header type", h[0], 7)
			size := binary.BigEndian.Uint16(h[1:])
			m.header[name] = string(h[3 : 3+size])
			h = h[3+size:]
		}
		messages = append(messages, m)
		raw = raw[total:]
	}
	return messages
}

func TestStreamingInvocation(t *testing.T) {
	t.Parallel()
	r := openByEvent(t, "AWS_LAMBDA_FUNCTION_TIMEOUT=1")
	cases := []struct{ name, event, payload, complete string }{
		{"streamed", `"stream"`, "one,two,three", `{}`},
		{"not streamed", `"echo"`, `"echo"`, `{}`},
		{"fails", `"fail"`, "", `{"ErrorCode":"My.Error","ErrorDetails":"{\"errorType\":\"MyError\"`},
		{"fails midstream", `"stream-fail"`, "one,two,three", `{"ErrorCode":"My.Error","ErrorDetails":"{\"errorMessage\":\"midstream\"}"}`},
		{"exits midstream", `"stream-break"`, "one,two,three", `{"ErrorCode":"Unhandled","ErrorDetails":"{\"errorType\":\"Runtime.`},
		{"hangs", `"hang"`, "", `{"ErrorCode":"Unhandled","ErrorDetails":"{\"errorType\":\"Sandbox.Timedout\"`},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			found := do(t, call{address: r.at.API, path: streamPath, body: c.event})
			equal(t, "status", found.status, 200)
			equal(t, "content type", found.header.Get("Content-Type"), "application/vnd.amazon.eventstream")
			messages := readMessages(t, []byte(found.body))
			payload := ""
			for _, m := range messages[:len(messages)-1] {
				equal(t, "event type", m.header[":event-type"], "PayloadChunk")
				payload += m.payload
			}
			if c.name == "exits midstream" {
				// How much of it was out is up to the kernel.
				payload = c.payload
			}
			equal(t, "payload", payload, c.payload)
			last := messages[len(messages)-1]
			equal(t, "last event type", last.header[":event-type"], "InvokeComplete")
			contains(t, "end", last.payload, c.complete)
		})
	}
	t.Run("dry run", func(t *testing.T) {
		found := do(t, call{address: r.at.API, path: streamPath, header: map[string]string{"X-Amz-Invocation-Type": "DryRun"}})
		equal(t, "status", found.status, 204)
	})
	t.Run("with its log", func(t *testing.T) {
		found := do(t, call{address: r.at.API, path: streamPath, body: `"log"`, header: map[string]string{"X-Amz-Log-Type": "Tail"}})
		contains(t, "end", found.body, `"LogResult":"`)
	})
}

func TestStreamForThoseWhoWantTheWhole(t *testing.T) {
	t.Parallel()
	r := openByEvent(t)
	cases := []struct{ event, body, header string }{
		{`"stream"`, "one,two,three", ""},
		{`"stream-fail"`, `{"errorMessage":"midstream"}`, "My.Error"},
	}
	for _, c := range cases {
		for _, address := range []string{r.at.API, r.at.RIE} {
			found := do(t, call{address: address, body: c.event})
			equal(t, "body", found.body, c.body)
			equal(t, "error header", found.header.Get("X-Amz-Function-Error"), c.header)
		}
	}
}

// A caller that hangs up in the middle costs the function nothing.
func TestStreamToACallerThatLeaves(t *testing.T) {
	t.Parallel()
	r := openByEvent(t)
	req, err := http.NewRequest("POST", "http://"+r.at.API+streamPath, strings.NewReader(`"stream"`))
	if err != nil {
		t.Fatal(err)
	}
	res, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(res.Body, make([]byte, 4)); err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	for range 3 {
		equal(t, "next call", do(t, call{address: r.at.API, body: `1`}).body, `1`)
	}
}
