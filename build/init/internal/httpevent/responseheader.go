package httpevent

import "strings"

// ignored are the fields of a function's response that concern the
// connection. The length is computed by whoever writes the response.
var ignored = set("connection", "keep-alive", "proxy-connection", "te", "trailer",
	"transfer-encoding", "upgrade", "content-length")

// endToEnd leaves out what concerns the connection.
func endToEnd(fields []Field) []Field {
	kept := fields[:0]
	for _, f := range fields {
		if !ignored[strings.ToLower(f.Name)] {
			kept = append(kept, f)
		}
	}
	return kept
}

// ignoredV1 are the fields of a function's response that REST APIs drop.
// Unlike others they do not drop Connection, but rename it.
var ignoredV1 = set("content-length", "expect", "host", "keep-alive", "proxy-authenticate", "proxy-connection",
	"te", "trailer", "transfer-encoding", "upgrade", "via")

// renamedV1 are the fields that reach the client under another name. In place
// of Date and Server the service sends its own.
var renamedV1 = map[string]string{
	"authorization":    "x-amzn-Remapped-Authorization",
	"connection":       "x-amzn-Remapped-Connection",
	"content-md5":      "x-amzn-Remapped-Content-MD5",
	"date":             "x-amzn-Remapped-Date",
	"max-forwards":     "x-amzn-Remapped-Max-Forwards",
	"server":           "x-amzn-Remapped-Server",
	"user-agent":       "x-amzn-Remapped-User-Agent",
	"www-authenticate": "x-amzn-Remapped-WWW-Authenticate",
}

// remapped is a function's header as a REST API sends it on.
func remapped(fields []Field) []Field {
	kept := fields[:0]
	for _, f := range fields {
		name := strings.ToLower(f.Name)
		if ignoredV1[name] {
			continue
		}
		if other, ok := renamedV1[name]; ok {
			f.Name = other
		}
		kept = append(kept, f)
	}
	return kept
}

// ServiceHeader are the fields that the service adds to every response to a
// request: its ids. Load balancers add none.
func ServiceHeader(s *Settings, r *Request) []Field {
	var fields []Field
	switch s.Kind {
	case APIGatewayV1:
		fields = []Field{{"x-amzn-RequestId", r.RequestID}, {"x-amz-apigw-id", gatewayID(r.RequestID)}}
	case APIGatewayV2:
		return []Field{{"Apigw-Requestid", gatewayID(r.RequestID)}}
	case FunctionURL:
		fields = []Field{{"x-amzn-RequestId", r.RequestID}}
	default:
		return nil
	}
	if r.TraceID != "" {
		fields = append(fields, Field{"X-Amzn-Trace-Id", r.TraceID})
	}
	return fields
}
