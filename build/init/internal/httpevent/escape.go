package httpevent

import "strings"

// parseQuery reads the parameters of a query in their order. Names and values
// are decoded only if decode is set.
func parseQuery(query string, decode bool) []Field {
	var fields []Field
	for pair := range strings.SplitSeq(query, "&") {
		if pair == "" {
			continue
		}
		name, value, _ := strings.Cut(pair, "=")
		if decode {
			name, value = unescapeQuery(name), unescapeQuery(value)
		}
		fields = append(fields, Field{text(name), text(value)})
	}
	return fields
}

// unescapeQuery decodes a part of a query, where "+" is a blank.
func unescapeQuery(s string) string { return unescape(strings.ReplaceAll(s, "+", " ")) }

// unescape decodes the percent escapes of s. What is no proper escape stays
// as it is.
func unescape(s string) string {
	if !strings.Contains(s, "%") {
		return s
	}
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] == '%' && i+2 < len(s) {
			high, low := hexValue(s[i+1]), hexValue(s[i+2])
			if high >= 0 && low >= 0 {
				b = append(b, byte(high<<4|low))
				i += 2
				continue
			}
		}
		b = append(b, s[i])
	}
	return string(b)
}

func hexValue(c byte) int {
	switch {
	case '0' <= c && c <= '9':
		return int(c - '0')
	case 'a' <= c && c <= 'f':
		return int(c-'a') + 10
	case 'A' <= c && c <= 'F':
		return int(c-'A') + 10
	default:
		return -1
	}
}
