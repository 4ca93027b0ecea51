package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"time"
)

// Limits of what is read: beyond them the other side is broken.
const (
	maxBody    = 64 << 20
	maxHeaders = 200
	bufferSize = 32 << 10
)

// answer is a response as far as the benchmark looks at it. Its fields are
// valid until the next one is read into it.
type answer struct {
	status int
	// callID is the id that the Invoke API gives back.
	callID []byte
	// runtimeID is the id that the Runtime API gives with an event.
	runtimeID []byte
	// functionError is the X-Amz-Function-Error header, empty on success.
	functionError []byte
	// close is set when the other side will close the connection.
	close bool
	body  []byte
}

// target is where requests go.
type target struct{ host, path string }

// parseURL takes an http URL apart.
func parseURL(url string) (target, error) {
	rest, found := strings.CutPrefix(url, "http://")
	host, path, _ := strings.Cut(rest, "/")
	if !found || host == "" {
		return target{}, fmt.Errorf("the URL must look like http://127.0.0.1:9001/path, found %q", url)
	}
	return target{host, "/" + path}, nil
}

// connection is a keep-alive connection that carries one request at a time.
type connection struct {
	net.Conn
	reader *bufio.Reader
}

// dial opens a connection.
func dial(host string, limit time.Duration) (*connection, error) {
	conn, err := net.DialTimeout("tcp", host, limit)
	if err != nil {
		return nil, err
	}
	return &connection{Conn: conn, reader: bufio.NewReaderSize(conn, bufferSize)}, nil
}

// exchange sends a whole request and reads the answer to it.
func (c *connection) exchange(request []byte, into *answer) error {
	if _, err := c.Write(request); err != nil {
		return err
	}
	return readAnswer(c.reader, into)
}

// appendHead appends the head of a request whose body has the given length.
// more are whole header lines, with their line ends.
func appendHead(to []byte, method string, at target, more string, length int) []byte {
	to = append(to, method...)
	to = append(to, ' ')
	to = append(to, at.path...)
	to = append(to, " HTTP/1.1\r\nHost: "...)
	to = append(to, at.host...)
	to = append(to, "\r\n"...)
	to = append(to, more...)
	if method == "POST" {
		to = append(to, "Content-Length: "...)
		to = strconv.AppendInt(to, int64(length), 10)
		to = append(to, "\r\n"...)
	}
	return append(to, "\r\n"...)
}

// framing is how the end of a body is told.
type framing struct {
	length  int
	chunked bool
}

// readAnswer reads one response. Interim responses are passed over.
func readAnswer(r *bufio.Reader, into *answer) error {
	for {
		frame, err := readHead(r, into)
		if err != nil {
			return err
		}
		if into.status >= 200 {
			return readBody(r, into, frame)
		}
	}
}

func readHead(r *bufio.Reader, into *answer) (framing, error) {
	*into = answer{callID: into.callID[:0], runtimeID: into.runtimeID[:0],
		functionError: into.functionError[:0], body: into.body[:0]}
	frame := framing{length: -1}
	line, err := readLine(r)
	if err != nil {
		return frame, err
	}
	if into.status, err = parseStatus(line); err != nil {
		return frame, err
	}
	for range maxHeaders {
		line, err := readLine(r)
		if err != nil {
			return frame, noEOF(err)
		}
		if len(line) == 0 {
			return frame, nil
		}
		if err := into.takeHeader(line, &frame); err != nil {
			return frame, err
		}
	}
	return frame, fmt.Errorf("a response has more than %d headers", maxHeaders)
}

// readLine returns a line without its end; it is valid until the next read.
func readLine(r *bufio.Reader) ([]byte, error) {
	line, err := r.ReadSlice('\n')
	if errors.Is(err, bufio.ErrBufferFull) {
		return nil, fmt.Errorf("a header line is longer than %d bytes", bufferSize)
	}
	if err != nil {
		if len(line) > 0 {
			err = noEOF(err)
		}
		return nil, err
	}
	return bytes.TrimSuffix(line[:len(line)-1], []byte("\r")), nil
}

// noEOF makes an end in the middle of a response an error of its own.
func noEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// parseStatus returns the code of a line such as "HTTP/1.1 200 OK".
func parseStatus(line []byte) (int, error) {
	version, rest, _ := bytes.Cut(line, []byte(" "))
	code, _, _ := bytes.Cut(rest, []byte(" "))
	status, err := parseDigits(code, 10)
	if err != nil || !bytes.HasPrefix(version, []byte("HTTP/1.")) || len(code) != 3 || status < 100 {
		return 0, fmt.Errorf("this is no status line of HTTP/1: %.60q", line)
	}
	return status, nil
}

// parseDigits parses a length: digits only, no sign, and no more than maxBody.
func parseDigits(text []byte, base int) (int, error) {
	value, err := strconv.ParseUint(string(text), base, 31)
	if err != nil || value > maxBody {
		return 0, fmt.Errorf("expected a length of at most %d, found %.40q", maxBody, text)
	}
	return int(value), nil
}

func (a *answer) takeHeader(line []byte, frame *framing) error {
	name, value, found := bytes.Cut(line, []byte(":"))
	if !found {
		return fmt.Errorf("this is no header line: %.60q", line)
	}
	value = bytes.TrimSpace(value)
	var err error
	switch {
	case named(name, "content-length"):
		frame.length, err = parseDigits(value, 10)
	case named(name, "transfer-encoding"):
		frame.chunked = named(value, "chunked")
	case named(name, "connection"):
		a.close = named(value, "close")
	case named(name, "x-amzn-requestid"):
		a.callID = append(a.callID, value...)
	case named(name, "lambda-runtime-aws-request-id"):
		a.runtimeID = append(a.runtimeID, value...)
	case named(name, "x-amz-function-error"):
		a.functionError = append(a.functionError, value...)
	}
	return err
}

// named compares without regard to case; the length decides nearly always.
func named(text []byte, lower string) bool {
	return len(text) == len(lower) && strings.EqualFold(string(text), lower)
}

func readBody(r *bufio.Reader, into *answer, frame framing) error {
	switch {
	case into.status == 204 || into.status == 304:
		return nil
	case frame.chunked:
		return readChunks(r, into)
	case frame.length >= 0:
		return into.readPart(r, frame.length)
	default:
		into.close = true
		return into.readToEnd(r)
	}
}

// readPart appends exactly length bytes to the body.
func (a *answer) readPart(r *bufio.Reader, length int) error {
	start := len(a.body)
	if start+length > maxBody {
		return fmt.Errorf("a body is longer than %d bytes", maxBody)
	}
	a.body = grow(a.body, length)
	_, err := io.ReadFull(r, a.body[start:])
	return noEOF(err)
}

// grow lengthens a slice, with room to spare when it must move.
func grow(body []byte, by int) []byte {
	if need := len(body) + by; need > cap(body) {
		larger := make([]byte, len(body), need+need/4)
		copy(larger, body)
		body = larger
	}
	return body[:len(body)+by]
}

func (a *answer) readToEnd(r *bufio.Reader) error {
	rest, err := io.ReadAll(io.LimitReader(r, maxBody+1))
	if err != nil {
		return err
	}
	if len(rest) > maxBody {
		return fmt.Errorf("a body is longer than %d bytes", maxBody)
	}
	a.body = append(a.body, rest...)
	return nil
}

func readChunks(r *bufio.Reader, into *answer) error {
	for {
		line, err := readLine(r)
		if err != nil {
			return noEOF(err)
		}
		digits, _, _ := bytes.Cut(line, []byte(";"))
		length, err := parseDigits(bytes.TrimSpace(digits), 16)
		if err != nil {
			return err
		}
		if length == 0 {
			return readTrailers(r)
		}
		if err := into.readPart(r, length); err != nil {
			return err
		}
		end, err := readLine(r)
		if err != nil {
			return noEOF(err)
		}
		if len(end) != 0 {
			return fmt.Errorf("a chunk is longer than it says: %.40q follows", end)
		}
	}
}

func readTrailers(r *bufio.Reader) error {
	for range maxHeaders {
		line, err := readLine(r)
		if err != nil {
			return noEOF(err)
		}
		if len(line) == 0 {
			return nil
		}
	}
	return fmt.Errorf("a response has more than %d trailers", maxHeaders)
}
