package httpevent

import (
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// Field is one line of a head, with the case it came in.
type Field struct{ Name, Value string }

// Request is an HTTP request as it came.
type Request struct {
	Method string
	// RawPath is still escaped; RawQuery has no question mark.
	RawPath  string
	RawQuery string
	// Protocol is the version, such as HTTP/1.1.
	Protocol string
	// Header has the fields in the order of their arrival.
	Header []Field
	// Body is the body itself, without the framing of a chunked one.
	Body []byte
	// SourceIP is the client's address, without its port.
	SourceIP string
	Time     time.Time
	// RequestID is the invocation's id.
	RequestID string
	// TraceID is what the service puts into X-Amzn-Trace-Id; empty leaves the
	// client's.
	TraceID string
	// Port is the one that the client called.
	Port string
}

// get is the last value of a field, or "".
func (r *Request) get(name string) string {
	for i := len(r.Header) - 1; i >= 0; i-- {
		if strings.EqualFold(r.Header[i].Name, name) {
			return text(r.Header[i].Value)
		}
	}
	return ""
}

// path is the path, still escaped. It always begins with a slash: that of
// "OPTIONS *" does not.
func (r *Request) path() string {
	if strings.HasPrefix(r.RawPath, "/") {
		return text(r.RawPath)
	}
	return "/" + text(r.RawPath)
}

// dropped are the fields that concern the connection, not the function.
var dropped = set("connection", "expect", "keep-alive", "proxy-connection", "te", "trailer",
	"transfer-encoding", "upgrade")

// droppedV1 are the fields that REST APIs drop besides. Via and Date pass: it
// is other integrations that lose them.
var droppedV1 = set("content-md5", "max-forwards", "proxy-authenticate", "server", "www-authenticate")

func set(words ...string) map[string]bool {
	members := make(map[string]bool, len(words))
	for _, word := range words {
		members[word] = true
	}
	return members
}

// header is the request's as the service passes it on: without what concerns
// the connection, and with what the service adds. Host stays the client's, so
// that the addresses which a function makes of it lead back here.
//
// X-Forwarded-Proto is "http", since this is what the client speaks; on AWS
// API Gateway and function URLs know https alone.
func (r *Request) header(kind Kind) []Field {
	fields := make([]Field, 0, len(r.Header)+5)
	var forwarded []string
	chunked := false
	for _, f := range r.Header {
		switch name := strings.ToLower(f.Name); {
		case name == "x-forwarded-for":
			forwarded = append(forwarded, text(f.Value))
			continue
		case name == "x-forwarded-port", name == "x-forwarded-proto":
			continue
		case name == "x-amzn-trace-id" && r.TraceID != "":
			continue
		case dropped[name], kind == APIGatewayV1 && droppedV1[name]:
			chunked = chunked || name == "transfer-encoding"
			continue
		}
		fields = append(fields, Field{text(f.Name), text(f.Value)})
	}
	if chunked {
		fields = append(fields, Field{"Content-Length", strconv.Itoa(len(r.Body))})
	}
	fields = append(fields,
		Field{"X-Forwarded-For", strings.Join(append(forwarded, r.SourceIP), ", ")},
		Field{"X-Forwarded-Port", r.Port},
		Field{"X-Forwarded-Proto", "http"})
	if r.TraceID != "" {
		fields = append(fields, Field{"X-Amzn-Trace-Id", r.TraceID})
	}
	return fields
}

// lowered gives all names in lower case.
func lowered(fields []Field) []Field {
	for i := range fields {
		fields[i].Name = strings.ToLower(fields[i].Name)
	}
	return fields
}

// sameCase gives all fields of one name the case of the first of them.
func sameCase(fields []Field) []Field {
	first := make(map[string]string, len(fields))
	for i, f := range fields {
		name := strings.ToLower(f.Name)
		if seen, ok := first[name]; ok {
			fields[i].Name = seen
		} else {
			first[name] = f.Name
		}
	}
	return fields
}

// lastValues has the last value of each name; it is nil without fields.
func lastValues(fields []Field) map[string]string {
	var values map[string]string
	for _, f := range fields {
		if values == nil {
			values = make(map[string]string, len(fields))
		}
		values[f.Name] = f.Value
	}
	return values
}

// allValues has all values of each name; it is nil without fields.
func allValues(fields []Field) map[string][]string {
	var values map[string][]string
	for _, f := range fields {
		if values == nil {
			values = make(map[string][]string, len(fields))
		}
		values[f.Name] = append(values[f.Name], f.Value)
	}
	return values
}

// joinedValues has the values of each name with commas between them; it is
// nil without fields.
func joinedValues(fields []Field) map[string]string {
	var values map[string]string
	for name, all := range allValues(fields) {
		if values == nil {
			values = make(map[string]string, len(fields))
		}
		values[name] = strings.Join(all, ",")
	}
	return values
}

// takeCookies splits fields with lower-case names into the cookies, one by
// one, and all other fields.
func takeCookies(fields []Field) (cookies []string, others []Field) {
	others = fields[:0]
	for _, f := range fields {
		if f.Name != "cookie" {
			others = append(others, f)
			continue
		}
		for cookie := range strings.SplitSeq(f.Value, ";") {
			if cookie = strings.TrimSpace(cookie); cookie != "" {
				cookies = append(cookies, cookie)
			}
		}
	}
	return cookies, others
}

// text is s as JSON can carry it: bytes that are not UTF-8 are read as
// Latin-1, which HTTP heads once were.
func text(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		b.WriteRune(rune(s[i]))
	}
	return b.String()
}
