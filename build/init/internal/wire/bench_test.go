package wire

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
)

// BenchmarkEcho is a request and its answer over one connection, of this
// package's server and of net/http's.
func BenchmarkEcho(b *testing.B) {
	for _, size := range []int{0, 1 << 10, 100 << 10} {
		body := strings.Repeat("x", size)
		b.Run(fmt.Sprintf("wire/%d", size), func(b *testing.B) {
			benchEcho(b, serve(b, func(x *Exchange) {
				content, _ := x.ReadAll(0, 0)
				_ = x.Reply(200, Header{{"Content-Type", "application/json"}}, content)
			}).addr, body)
		})
		b.Run(fmt.Sprintf("nethttp/%d", size), func(b *testing.B) {
			listener, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				b.Fatal(err)
			}
			server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				content, _ := io.ReadAll(r.Body)
				w.Header().Set("Content-Type", "application/json")
				_, _ = w.Write(content)
			})}
			go func() { _ = server.Serve(listener) }()
			b.Cleanup(func() { _ = server.Close() })
			benchEcho(b, listener.Addr().String(), body)
		})
	}
}

func benchEcho(b *testing.B, addr, body string) {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		b.Fatal(err)
	}
	defer conn.Close()
	raw := []byte("POST /2015-03-31/functions/function/invocations HTTP/1.1\r\nHost: localhost:9001\r\nUser-Agent: benchmark\r\n" +
		"Content-Type: application/json\r\nContent-Length: " + fmt.Sprint(len(body)) + "\r\n\r\n" + body)
	answer := make([]byte, len(body)+4096)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := conn.Write(raw); err != nil {
			b.Fatal(err)
		}
		if err := readAnswer(conn, answer, len(body)); err != nil {
			b.Fatal(err)
		}
	}
}

// readAnswer reads a head and so many bytes behind it, at no great cost.
func readAnswer(conn net.Conn, answer []byte, length int) error {
	for at := 0; ; {
		n, err := conn.Read(answer[at:])
		if err != nil {
			return err
		}
		at += n
		if end := strings.Index(string(answer[:min(at, 1000)]), "\r\n\r\n"); end > 0 && at >= end+4+length {
			return nil
		}
	}
}
