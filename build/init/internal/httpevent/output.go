package httpevent

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// output is a function's output, if it is an object: its members, not yet
// read. One that is null is not there.
type output map[string]json.RawMessage

// parseOutput reads an output. It is nil for one that is JSON, but no object.
func parseOutput(raw []byte) (output, error) {
	if !json.Valid(raw) {
		return nil, errors.New("the function's output is no JSON")
	}
	if !isObject(raw) {
		return nil, nil
	}
	var o output
	if err := json.Unmarshal(raw, &o); err != nil {
		return nil, fmt.Errorf("the function's output cannot be read: %w", err)
	}
	for name, value := range o {
		if isNull(value) {
			delete(o, name)
		}
	}
	return o, nil
}

func isObject(raw []byte) bool { return first(raw) == '{' }

func isNull(raw []byte) bool { return first(raw) == 'n' }

// first is the byte that tells what sort of value a valid JSON text is.
func first(raw []byte) byte {
	if raw = bytes.TrimLeft(raw, " \t\r\n"); len(raw) > 0 {
		return raw[0]
	}
	return 0
}

func (o output) has(name string) bool { return o[name] != nil }

// status reads statusCode. lenient takes digits in a string too.
func (o output) status(lenient bool) (int, error) {
	raw, ok := o["statusCode"]
	if !ok {
		return 0, errors.New("the function's output has no statusCode: add one, such as 200")
	}
	digits := string(raw)
	if lenient && first(raw) == '"' {
		if err := json.Unmarshal(raw, &digits); err != nil {
			return 0, fmt.Errorf("statusCode cannot be read: %w", err)
		}
	}
	// A status below 200 is no answer: the client would wait for another.
	status, err := strconv.Atoi(digits)
	if err != nil || status < 200 || status > 599 {
		return 0, fmt.Errorf("statusCode is %s: it must be a whole number from 200 to 599", shortened(raw))
	}
	return status, nil
}

// body reads body and isBase64Encoded. lenient takes numbers and booleans for
// a body, and a string for the mark.
func (o output) body(lenient bool) ([]byte, error) {
	encoded, err := o.encoded(lenient)
	if err != nil {
		return nil, err
	}
	raw, ok := o["body"]
	if !ok {
		return nil, nil
	}
	body, err := scalar(raw)
	if err != nil || !lenient && first(raw) != '"' {
		return nil, fmt.Errorf("body is %s: it must be a string; turn it into JSON text before you return it", shortened(raw))
	}
	if !encoded {
		return []byte(body), nil
	}
	return decodeBase64(body)
}

func (o output) encoded(lenient bool) (bool, error) {
	raw, ok := o["isBase64Encoded"]
	if !ok {
		return false, nil
	}
	word := string(raw)
	if lenient && first(raw) == '"' {
		word = strings.ToLower(strings.Trim(word, `"`))
	}
	switch word {
	case "true":
		return true, nil
	case "false":
		return false, nil
	default:
		return false, fmt.Errorf("isBase64Encoded is %s: it must be true or false", shortened(raw))
	}
}

// decodeBase64 takes the standard alphabet, with its padding or without.
func decodeBase64(body string) ([]byte, error) {
	decoded, err := base64.StdEncoding.DecodeString(body)
	if err != nil {
		decoded, err = base64.RawStdEncoding.DecodeString(body)
	}
	if err != nil {
		return nil, fmt.Errorf("body is marked as base64, but it is not: %w", err)
	}
	return decoded, nil
}

// fields reads an object of headers in its order. Null values are left out.
func (o output) fields(name string, lenient bool) ([]Field, error) {
	var fields []Field
	err := o.each(name, func(header string, raw json.RawMessage) error {
		if isNull(raw) {
			return nil
		}
		field, err := newField(header, raw, lenient)
		fields = append(fields, field)
		return err
	})
	return fields, err
}

// multiFields reads an object of headers with a list of values each. A lone
// value will do.
func (o output) multiFields(name string, lenient bool) ([]Field, error) {
	var fields []Field
	err := o.each(name, func(header string, raw json.RawMessage) error {
		values := []json.RawMessage{raw}
		if first(raw) == '[' {
			if err := json.Unmarshal(raw, &values); err != nil {
				return fmt.Errorf("the values of the header %q cannot be read: %w", header, err)
			}
		}
		for _, value := range values {
			if isNull(value) {
				continue
			}
			field, err := newField(header, value, lenient)
			if err != nil {
				return err
			}
			fields = append(fields, field)
		}
		return nil
	})
	return fields, err
}

// cookies reads the list of cookies, each of which is a field of its own.
func (o output) cookies() ([]Field, error) {
	raw, ok := o["cookies"]
	if !ok {
		return nil, nil
	}
	var cookies []json.RawMessage
	if err := json.Unmarshal(raw, &cookies); err != nil {
		return nil, fmt.Errorf("cookies is %s: it must be a list of strings", shortened(raw))
	}
	var fields []Field
	for _, cookie := range cookies {
		if first(cookie) != '"' {
			return nil, fmt.Errorf("cookies has %s in it: it must be a list of strings", shortened(cookie))
		}
		field, err := newField("set-cookie", cookie, false)
		if err != nil {
			return nil, err
		}
		fields = append(fields, field)
	}
	return fields, nil
}

// each calls visit for each member of an object, in its order.
func (o output) each(name string, visit func(string, json.RawMessage) error) error {
	raw, ok := o[name]
	if !ok {
		return nil
	}
	if !isObject(raw) {
		return fmt.Errorf("%s is %s: it must be an object", name, shortened(raw))
	}
	decoder := json.NewDecoder(bytes.NewReader(raw))
	// The brace, which is known to be there.
	if _, err := decoder.Token(); err != nil {
		return fmt.Errorf("%s cannot be read: %w", name, err)
	}
	for decoder.More() {
		key, err := decoder.Token()
		if err != nil {
			return fmt.Errorf("%s cannot be read: %w", name, err)
		}
		var value json.RawMessage
		if err := decoder.Decode(&value); err != nil {
			return fmt.Errorf("%s cannot be read: %w", name, err)
		}
		// An object's keys are strings.
		if err := visit(key.(string), value); err != nil {
			return err
		}
	}
	return nil
}

// newField makes a field of a header's name and its value in JSON. lenient
// takes numbers and booleans as they are written.
func newField(name string, raw json.RawMessage, lenient bool) (Field, error) {
	if !isToken(name) {
		return Field{}, fmt.Errorf("%q cannot be the name of a header: use letters, digits and hyphens", name)
	}
	value, err := scalar(raw)
	if err != nil || !lenient && first(raw) != '"' {
		return Field{}, fmt.Errorf("the header %q is %s: it must be a string", name, shortened(raw))
	}
	value = strings.Trim(value, " \t\r\n")
	if !isFieldValue(value) {
		return Field{}, fmt.Errorf("the header %q has a line break or another control character in it: take it out", name)
	}
	return Field{name, value}, nil
}

var errNoScalar = errors.New("an object or a list")

// scalar is the text of a string, or a number or boolean as it is written.
func scalar(raw json.RawMessage) (string, error) {
	switch first(raw) {
	case '"':
		var s string
		err := json.Unmarshal(raw, &s)
		return s, err
	case '{', '[':
		return "", errNoScalar
	default:
		return string(raw), nil
	}
}

// isToken is whether s may be the name of a field.
func isToken(s string) bool {
	for i := 0; i < len(s); i++ {
		c := s[i]
		alphanumeric := 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
		if !alphanumeric && strings.IndexByte("!#$%&'*+-.^_`|~", c) < 0 {
			return false
		}
	}
	return s != ""
}

// isFieldValue is whether s may be the value of a field.
func isFieldValue(s string) bool {
	for i := 0; i < len(s); i++ {
		if c := s[i]; c < ' ' && c != '\t' || c == 0x7f {
			return false
		}
	}
	return true
}

// shortened is a JSON text as an error shows it.
func shortened(raw []byte) string {
	const longest = 60
	if len(raw) <= longest {
		return string(raw)
	}
	return strings.ToValidUTF8(string(raw[:longest]), "") + "..."
}
