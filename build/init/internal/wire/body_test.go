package wire

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
)

// frame writes a body as chunks of the given lengths, over and over, or with
// its length in front when there are none.
func frame(content, chunks []byte, trailer string) []byte {
	if len(chunks) == 0 {
		return fmt.Appendf(nil, "POST / HTTP/1.1\r\nContent-Length: %d\r\n\r\n%s", len(content), content)
	}
	raw := []byte(chunkedHead)
	for n := 0; len(content) > 0; n++ {
		size := min(int(chunks[n%len(chunks)])+1, len(content))
		raw = fmt.Appendf(raw, "%x\r\n%s\r\n", size, content[:size])
		content = content[size:]
	}
	return fmt.Appendf(raw, "0\r\n%s\r\n", trailer)
}

// FuzzBody sends bodies in all sorts of chunks, which come in all sorts of
// pieces, and reads them in several ways.
func FuzzBody(f *testing.F) {
	f.Add([]byte("hello"), []byte{}, []byte{}, uint16(3))
	f.Add([]byte("hello"), []byte{0}, []byte{0}, uint16(1))
	f.Add([]byte("hello"), []byte{2, 255}, []byte{7, 0, 99}, uint16(9000))
	f.Add(bytes.Repeat([]byte("0123456789"), 2000), []byte{255, 9}, []byte{255}, uint16(5))
	f.Add(bytes.Repeat([]byte("\r\n0\r\n"), 2000), []byte{}, []byte{}, uint16(4096))
	f.Add([]byte{}, []byte{}, []byte{}, uint16(0))
	f.Add([]byte{}, []byte{4}, []byte{}, uint16(0))
	f.Fuzz(func(t *testing.T, content, chunks, cuts []byte, piece uint16) {
		const next = "GET /next HTTP/1.1\r\n\r\n"
		raw := append(frame(content, chunks, "A: b\r\n"), next...)
		readers := []func(*body) ([]byte, error){
			func(b *body) ([]byte, error) { return b.all(0) },
			func(b *body) ([]byte, error) { return b.all(int64(max(len(content), 1))) },
			func(b *body) (whole []byte, err error) {
				p := make([]byte, int(piece)+1)
				for {
					n, err := b.Read(p)
					whole = append(whole, p[:n]...)
					if err == io.EOF {
						return whole, nil
					}
					if err != nil || n == 0 {
						return whole, fmt.Errorf("%d bytes, %w", n, err)
					}
				}
			},
			func(b *body) ([]byte, error) {
				if !b.discard(int64(len(content)) + 1) {
					return nil, errors.New("there is more")
				}
				return content, nil
			},
		}
		for n, read := range readers {
			in := newInput(&script{left: raw, cuts: cuts})
			b := begin(t, in)
			found, err := read(&b)
			if err != nil || !bytes.Equal(found, content) {
				t.Fatalf("reader %d: %q, %v", n, found, err)
			}
			if (b.trailer.Get("a") == "b") != (len(chunks) > 0) {
				t.Fatalf("reader %d: the trailer is %v", n, b.trailer)
			}
			if more, err := b.Read(make([]byte, 1)); more != 0 || err != io.EOF {
				t.Fatalf("reader %d: %d bytes more, %v", n, more, err)
			}
			if text, err := in.head(0); text != next {
				t.Fatalf("reader %d: the next request is %q, %v", n, text, err)
			}
		}
		if len(content) > 1 {
			b := begin(t, newInput(&script{left: raw, cuts: cuts}))
			if _, err := b.all(int64(len(content)) - 1); !errors.Is(err, ErrTooLarge) {
				t.Fatalf("the limit does not hold: %v", err)
			}
		}
		if cut := len(raw) - len(next) - 1; cut > bytes.Index(raw, []byte("\r\n\r\n"))+4 {
			b := begin(t, newInput(&script{left: raw[:cut], cuts: cuts}))
			if _, err := b.all(0); !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Fatalf("a body without its last byte: %v", err)
			}
			if b.discard(1<<20) || b.done {
				t.Fatal("a broken body is taken for read")
			}
		}
	})
}

// begin reads a head.
func begin(t *testing.T, in *input) body {
	text, err := in.head(0)
	if err != nil {
		t.Fatal(err)
	}
	h, err := parseHead(text, nil)
	if err != nil {
		t.Fatal(err)
	}
	return newBody(in, &h, func() error { return nil })
}

// TestBodyMemory sees to it that memory is not set aside for what somebody
// only claims to send.
func TestBodyMemory(t *testing.T) {
	for name, length := range map[string]string{
		"all memory": "9223372036854775807", "a terabyte": "1099511627776",
	} {
		t.Run(name, func(t *testing.T) {
			raw := "POST / HTTP/1.1\r\nContent-Length: " + length + "\r\n\r\nabc"
			b := begin(t, newInput(&script{left: []byte(raw)}))
			if _, err := b.all(0); !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Error(err)
			}
		})
	}
}

// TestBrokenTrailer sees to it that nothing of a trailer is taken for the next
// request.
func TestBrokenTrailer(t *testing.T) {
	s := serve(t, func(x *Exchange) { _ = x.Reply(200, nil, nil) })
	conn := s.dial(t)
	conn.say(chunkedHead + "0\r\nA : b\r\n" + get("/smuggled"))
	if found := conn.statuses(); len(found) != 1 {
		t.Errorf("answers: %v", found)
	}
}

func TestChunkSize(t *testing.T) {
	for line, expected := range map[string]int64{
		"0": 0, "a": 10, "A": 10, "ff": 255, "10": 16, "1;x": 1, "1 ": 1, "1\t ;x": 1, "fffffffffffffff": 1<<60 - 1,
		"": -1, "g": -1, "-1": -1, "+1": -1, "1 1": -1, ";": -1, " 1": -1, "0x1": -1, "1_0": -1, "1,": -1,
		strings.Repeat("0", 16): -1, "\xff": -1,
	} {
		found, err := parseChunkSize([]byte(line))
		if err != nil {
			found = -1
		}
		if found != expected {
			t.Errorf("%q is %d, expected %d", line, found, expected)
		}
	}
}
