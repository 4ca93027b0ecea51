package wire

import (
	"strconv"
	"strings"
)

// maxFields is how many fields a head, or a trailer, may have: each takes
// several times its size in memory.
const maxFields = 4096

// refusal is a request that cannot be understood, and the status that says so.
type refusal struct {
	status int
	reason string
}

func (r *refusal) Error() string { return r.reason }

// head is what stands before a request's body.
type head struct {
	method string
	target string
	// minor is the version's last digit: HTTP/1.0 or 1.1.
	minor   byte
	header  Header
	length  int64 // of the body; -1 when it comes in chunks
	expects bool  // the caller wants to be told to go on
	close   bool  // the caller wants no other request on this connection
}

// parseHead reads a whole head, the empty line at its end included. fields is
// memory to use for them.
func parseHead(text string, fields Header) (head, error) {
	line, rest := cutLine(text)
	h, err := parseRequestLine(line)
	if err != nil {
		return h, err
	}
	h.header, err = parseFields(rest, fields)
	if err != nil {
		return h, err
	}
	return h, h.frame()
}

// cutLine takes off one line, which ends in \n or \r\n.
func cutLine(text string) (line, rest string) {
	i := strings.IndexByte(text, '\n')
	if i < 0 {
		return text, ""
	}
	line, rest = text[:i], text[i+1:]
	if line != "" && line[len(line)-1] == '\r' {
		line = line[:len(line)-1]
	}
	return line, rest
}

func parseRequestLine(line string) (head, error) {
	method, rest, ok := strings.Cut(line, " ")
	target, version, ok2 := strings.Cut(rest, " ")
	if !ok || !ok2 || !isToken(method) || !isTarget(target) {
		return head{}, &refusal{400, "the request line is malformed"}
	}
	if len(version) != len("HTTP/1.1") || version[:5] != "HTTP/" {
		return head{}, &refusal{400, "the request line is malformed"}
	}
	if version[5:7] != "1." || version[7] < '0' || version[7] > '1' {
		return head{}, &refusal{505, "only HTTP/1.0 and HTTP/1.1 are spoken here"}
	}
	return head{method: method, target: target, minor: version[7]}, nil
}

// isTarget is whether s is a target in origin or absolute form, or the
// asterisk.
func isTarget(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] <= ' ' || s[i] == 0x7f {
			return false
		}
	}
	return s != "" && (s[0] == '/' || s == "*" || isAbsolute(s))
}

// isAbsolute is whether a target begins with a scheme.
func isAbsolute(s string) bool {
	scheme, _, ok := strings.Cut(s, "://")
	return ok && (EqualFold(scheme, "http") || EqualFold(scheme, "https"))
}

// parseFields reads lines until the empty one.
func parseFields(text string, fields Header) (Header, error) {
	for {
		var line string
		line, text = cutLine(text)
		if line == "" {
			return fields, nil
		}
		name, value, ok := strings.Cut(line, ":")
		value = trim(value)
		if !ok || !isToken(name) || !isValue(value) {
			return fields, &refusal{400, "a header line is malformed"}
		}
		if len(fields) >= maxFields {
			return fields, &refusal{431, "the header has too many fields"}
		}
		fields = append(fields, Field{name, value})
	}
}

// frame finds out how the body is framed, and what the connection is to do
// after.
func (h *head) frame() error {
	chunked, host, keep, end := false, false, h.minor == '1', false
	length, declared := int64(-1), ""
	for i := range h.header {
		name, value := h.header[i].Name, h.header[i].Value
		switch {
		case EqualFold(name, "Content-Length"):
			n, err := strconv.ParseUint(value, 10, 63)
			if err != nil || length >= 0 && value != declared {
				return &refusal{400, "Content-Length is malformed"}
			}
			length, declared = int64(n), value
		case EqualFold(name, "Transfer-Encoding"):
			if chunked || !EqualFold(value, "chunked") || h.minor == '0' {
				return &refusal{501, "the one transfer encoding known here is chunked"}
			}
			chunked = true
		case EqualFold(name, "Expect"):
			if !EqualFold(value, "100-continue") {
				return &refusal{417, "the one expectation known here is 100-continue"}
			}
			h.expects = h.minor == '1'
		case EqualFold(name, "Connection"):
			end = end || HasToken(value, "close")
			keep = keep || HasToken(value, "keep-alive")
		case EqualFold(name, "Host"):
			if host {
				return &refusal{400, "there is more than one Host"}
			}
			host = true
		}
	}
	h.close = end || !keep
	switch {
	case chunked && length >= 0:
		// Two framings are how requests are smuggled past a proxy.
		return &refusal{400, "Content-Length and Transfer-Encoding exclude each other"}
	case chunked:
		h.length = -1
	case length >= 0:
		h.length = length
	}
	return nil
}

// splitTarget returns the path, still escaped, and the query, of a target in
// origin or absolute form.
func splitTarget(target string) (path, query string) {
	if target[0] != '/' && target != "*" {
		_, rest, _ := strings.Cut(target, "://")
		target = "/"
		if i := strings.IndexAny(rest, "/?"); i >= 0 {
			target = rest[i:]
		}
		if target[0] == '?' {
			target = "/" + target
		}
	}
	path, query, _ = strings.Cut(target, "?")
	return path, query
}
