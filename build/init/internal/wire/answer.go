package wire

import (
	"strconv"
	"time"
)

// bodiless is whether an answer of this status never has a body.
func bodiless(status int) bool { return status == 204 || status == 304 }

// final is a status as it can end an exchange: an interim one would have the
// caller wait for another, and what has not three digits be misread.
func final(status int) int {
	if status < 200 || status > 999 {
		return 500
	}
	return status
}

// appendHead adds the status line and the fields, and those that are the
// server's own. x.close may be decided here.
func (x *Exchange) appendHead(out []byte, status int, header Header) []byte {
	if x.body.goOn != nil && !x.body.done || x.body.err != nil || x.conn.server.draining.Load() {
		// Nobody can tell whether the body will come, or where it ends.
		x.close = true
	}
	out = append(out, "HTTP/1.1 "...)
	out = strconv.AppendInt(out, int64(status), 10)
	out = append(out, ' ')
	out = append(out, StatusText(status)...)
	out = append(out, "\r\n"...)
	for i := range header {
		if !isToken(header[i].Name) || x.isOwn(&header[i]) {
			continue
		}
		out = append(out, header[i].Name...)
		out = append(out, ": "...)
		out = appendValue(out, header[i].Value)
		out = append(out, "\r\n"...)
	}
	if x.conn.server.Date {
		out = append(out, "Date: "...)
		out = append(out, date(time.Now())...)
		out = append(out, "\r\n"...)
	}
	if x.close {
		out = append(out, "Connection: close\r\n"...)
	} else if x.minor == '0' {
		out = append(out, "Connection: keep-alive\r\n"...)
	}
	return out
}

// isOwn is whether a field is one that the server gives itself: two that
// differ would have the caller misread where the answer ends.
func (x *Exchange) isOwn(f *Field) bool {
	switch len(f.Name) {
	case len("Date"):
		return x.conn.server.Date && EqualFold(f.Name, "Date")
	case len("Connection"):
		if !EqualFold(f.Name, "Connection") {
			return false
		}
		x.close = x.close || HasToken(f.Value, "close")
		return true
	case len("Content-Length"):
		return EqualFold(f.Name, "Content-Length")
	case len("Transfer-Encoding"):
		return EqualFold(f.Name, "Transfer-Encoding")
	}
	return false
}

// appendValue adds a field's value, less what could end it: values can come
// from callers and from functions.
func appendValue(out []byte, value string) []byte {
	if isValue(value) {
		return append(out, value...)
	}
	for i := 0; i < len(value); i++ {
		if isValue(value[i : i+1]) {
			out = append(out, value[i])
		}
	}
	return out
}
