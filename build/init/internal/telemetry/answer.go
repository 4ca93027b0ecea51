package telemetry

import (
	"bufio"
	"bytes"
	"errors"
	"strconv"
)

// answer is what a subscriber says to a batch, as far as it matters.
type answer struct {
	status int
	// reusable: the connection can take another request.
	reusable bool
}

var errNoHTTP = errors.New("what comes back is no HTTP")

// Bounds of an answer. One with a larger body costs its connection.
const (
	maxAnswerLines = 256
	maxAnswerBody  = 64 << 10
)

// readAnswer reads an answer of HTTP/1.0 or 1.1.
func readAnswer(r *bufio.Reader) (answer, error) {
	for range maxAnswerLines {
		a, length, err := readAnswerHead(r)
		if err != nil {
			return answer{}, err
		}
		if a.status < 200 {
			// There is more to come.
			continue
		}
		if a.status == 204 || a.status == 304 {
			length = 0
		}
		if length < 0 || length > maxAnswerBody {
			a.reusable = false
			return a, nil
		}
		if _, err := r.Discard(length); err != nil {
			a.reusable = false
		}
		return a, nil
	}
	return answer{}, errNoHTTP
}

// readAnswerHead reads up to the empty line. The body's length is -1 when it
// is not said in advance.
func readAnswerHead(r *bufio.Reader) (a answer, length int, err error) {
	line, err := answerLine(r)
	if err != nil {
		return a, 0, err
	}
	a, ok := parseStatusLine(line)
	if !ok {
		return a, 0, errNoHTTP
	}
	length = -1
	chunked := false
	for range maxAnswerLines {
		line, err := answerLine(r)
		if err != nil {
			return a, 0, err
		}
		if len(line) == 0 {
			if chunked {
				length = -1
			}
			return a, length, nil
		}
		name, value, _ := bytes.Cut(line, []byte(":"))
		value = bytes.TrimSpace(value)
		switch {
		case bytes.EqualFold(name, []byte("Content-Length")):
			if length, err = strconv.Atoi(string(value)); err != nil || length < 0 {
				return a, 0, errNoHTTP
			}
		case bytes.EqualFold(name, []byte("Transfer-Encoding")):
			// A body in chunks is not worth reading.
			chunked = true
		case bytes.EqualFold(name, []byte("Connection")):
			if bytes.Contains(bytes.ToLower(value), []byte("close")) {
				a.reusable = false
			}
		}
	}
	return a, 0, errNoHTTP
}

// answerLine reads a line, without its end. It is good until the next read.
func answerLine(r *bufio.Reader) ([]byte, error) {
	line, err := r.ReadSlice('\n')
	if errors.Is(err, bufio.ErrBufferFull) {
		return nil, errNoHTTP
	}
	if err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(line[:len(line)-1], []byte("\r")), nil
}

// parseStatusLine reads such as HTTP/1.1 200 OK.
func parseStatusLine(line []byte) (answer, bool) {
	rest, ok := bytes.CutPrefix(line, []byte("HTTP/1."))
	if !ok || len(rest) < 5 || rest[1] != ' ' || len(rest) > 5 && rest[5] != ' ' {
		return answer{}, false
	}
	status, err := strconv.Atoi(string(rest[2:5]))
	if err != nil || status < 100 {
		return answer{}, false
	}
	return answer{status: status, reusable: rest[0] == '1'}, true
}
