package telemetry

import (
	"math"
	"strconv"
	"time"
	"unicode/utf8"
)

// object writes a JSON object, field by field.
type object struct {
	out []byte
	any bool
}

func begin(out []byte) object { return object{out: append(out, '{')} }

func (o *object) end() []byte { return append(o.out, '}') }

// key takes names that need no escapes.
func (o *object) key(name string) {
	if o.any {
		o.out = append(o.out, ',')
	}
	o.any = true
	o.out = append(o.out, '"')
	o.out = append(o.out, name...)
	o.out = append(o.out, '"', ':')
}

func (o *object) text(name, value string) {
	o.key(name)
	o.out = appendString(o.out, value)
}

func (o *object) textIfAny(name, value string) {
	if value != "" {
		o.text(name, value)
	}
}

func (o *object) texts(name string, values []string) {
	o.key(name)
	o.out = append(o.out, '[')
	for i, value := range values {
		if i > 0 {
			o.out = append(o.out, ',')
		}
		o.out = appendString(o.out, value)
	}
	o.out = append(o.out, ']')
}

func (o *object) integer(name string, value int64) {
	o.key(name)
	o.out = strconv.AppendInt(o.out, value, 10)
}

func (o *object) number(name string, value float64) {
	o.key(name)
	o.out = appendNumber(o.out, value)
}

func (o *object) tracing(t *Tracing) {
	if t != nil {
		o.key("tracing")
		o.out = t.appendJSON(o.out)
	}
}

func (o *object) spans(spans []Span) {
	if len(spans) == 0 {
		return
	}
	o.key("spans")
	o.out = append(o.out, '[')
	for i, span := range spans {
		if i > 0 {
			o.out = append(o.out, ',')
		}
		o.out = span.appendJSON(o.out)
	}
	o.out = append(o.out, ']')
}

// appendNumber appends a number; one that JSON has no form for is 0.
func appendNumber(out []byte, value float64) []byte {
	if math.IsNaN(value) || math.IsInf(value, 0) {
		value = 0
	}
	if size := math.Abs(value); size != 0 && (size < 1e-6 || size >= 1e21) {
		// No duration is as long or as short.
		return appendRecord(out, value)
	}
	return strconv.AppendFloat(out, value, 'f', -1, 64)
}

// appendTime appends a time in quotes: UTC, with milliseconds.
func appendTime(out []byte, t time.Time) []byte {
	out = append(out, '"')
	out = t.UTC().AppendFormat(out, "2006-01-02T15:04:05.000Z")
	return append(out, '"')
}

const hexDigits = "0123456789abcdef"

// appendString appends a string in quotes, with the escapes of encoding/json
// when it is told to leave HTML alone.
func appendString[text string | []byte](out []byte, s text) []byte {
	out = append(out, '"')
	kept := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= ' ' && c < utf8.RuneSelf && c != '"' && c != '\\' {
			i++
			continue
		}
		size := 1
		if c >= utf8.RuneSelf {
			var r rune
			r, size = decode(s[i:])
			if r != '\u2028' && r != '\u2029' && (r != utf8.RuneError || size > 1) {
				i += size
				continue
			}
			out = append(out, s[kept:i]...)
			out = appendRune(out, r)
		} else {
			out = append(out, s[kept:i]...)
			out = appendEscape(out, c)
		}
		i += size
		kept = i
	}
	out = append(out, s[kept:]...)
	return append(out, '"')
}

// decode reads the first rune of s.
func decode[text string | []byte](s text) (rune, int) {
	var first [utf8.UTFMax]byte
	n := copy(first[:], s)
	return utf8.DecodeRune(first[:n])
}

// appendRune appends one that is not put into JSON as it is: a line separator,
// or the sign for what is not UTF-8.
func appendRune(out []byte, r rune) []byte {
	switch r {
	case '\u2028':
		return append(out, `\u2028`...)
	case '\u2029':
		return append(out, `\u2029`...)
	default:
		return append(out, "\ufffd"...)
	}
}

func appendEscape(out []byte, c byte) []byte {
	switch c {
	case '"', '\\':
		return append(out, '\\', c)
	case '\b':
		return append(out, '\\', 'b')
	case '\f':
		return append(out, '\\', 'f')
	case '\n':
		return append(out, '\\', 'n')
	case '\r':
		return append(out, '\\', 'r')
	case '\t':
		return append(out, '\\', 't')
	default:
		return append(out, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
	}
}
