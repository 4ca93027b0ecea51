package httpevent

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
)

const (
	// PreludeType is the content type of a stream that begins with a prelude.
	PreludeType = "application/vnd.awslambda.http-integration-response"
	// MaxPrelude is within how many bytes a prelude and its delimiter must
	// come.
	MaxPrelude = 16 * 1024
)

// delimiter is what ends a prelude. JSON has no such bytes.
var delimiter = make([]byte, 8)

// Prelude is the head of a streamed response.
type Prelude struct {
	Status int
	Header []Field
}

// ParsePrelude reads the prelude that a streamed response begins with: a JSON
// object, then eight NUL bytes, then the body, which begins at bodyOffset. It
// is to be called with all that has come so far. If that is not complete, and
// no error, more is to come; if nothing does, the response is malformed. What
// cannot become a prelude any more is an error at once.
//
// A prelude without statusCode is taken for a 200; an empty object is what the
// Node.js runtime client sends if the function gave nothing. A streamed
// response is sent as it comes, so its length and framing are not the
// function's to set.
func ParsePrelude(buffer []byte) (p Prelude, bodyOffset int, complete bool, err error) {
	if start := first(buffer); start != 0 && start != '{' {
		return Prelude{}, 0, false, errors.New("the response's prelude is no JSON object")
	}
	window := buffer[:min(len(buffer), MaxPrelude)]
	end := bytes.IndexByte(window, 0)
	if end >= 0 {
		rest := window[end:min(end+len(delimiter), len(window))]
		if !bytes.HasPrefix(delimiter, rest) {
			return Prelude{}, 0, false, errors.New("the response's prelude must end with eight NUL bytes: it has fewer")
		}
		if len(rest) == len(delimiter) {
			if p, err = newPrelude(buffer[:end]); err != nil {
				return Prelude{}, 0, false, err
			}
			return p, end + len(delimiter), true, nil
		}
	}
	if len(buffer) >= MaxPrelude {
		return Prelude{}, 0, false, fmt.Errorf("the response's prelude and its eight NUL bytes must come within %d bytes: move what is long into the body", MaxPrelude)
	}
	return Prelude{}, 0, false, nil
}

func newPrelude(raw []byte) (Prelude, error) {
	o, err := parseOutput(raw)
	if err != nil || o == nil {
		return Prelude{}, errors.New("the response's prelude is no JSON object")
	}
	if !o.has("statusCode") {
		o["statusCode"] = json.RawMessage("200")
	}
	status, err := o.status(true)
	if err != nil {
		return Prelude{}, err
	}
	single, err := o.fields("headers", true)
	if err != nil {
		return Prelude{}, err
	}
	multi, err := o.multiFields("multiValueHeaders", true)
	if err != nil {
		return Prelude{}, err
	}
	cookies, err := o.cookies()
	if err != nil {
		return Prelude{}, err
	}
	return Prelude{Status: status, Header: append(endToEnd(merged(single, multi)), cookies...)}, nil
}
