package httpevent

import (
	"encoding/base64"
	"strings"
	"unicode/utf8"
)

// body is the request's body as the event carries it.
//
// HTTP APIs, function URLs and load balancers know the same few types of text,
// and a form is none of them. The load balancer's are documented; for HTTP
// APIs they were measured by the authors of ministack; function URLs, whose
// format is that of HTTP APIs, are taken to do the same.
//
// A body that claims to be text but is not UTF-8 comes as base64 from all of
// them here: the services would spoil it.
func (r *Request) body(s *Settings) (body string, encoded bool) {
	if len(r.Body) == 0 {
		return "", false
	}
	if r.isText(s) && utf8.Valid(r.Body) {
		return string(r.Body), false
	}
	return base64.StdEncoding.EncodeToString(r.Body), true
}

func (r *Request) isText(s *Settings) bool {
	mediaType, _, _ := strings.Cut(r.get("Content-Type"), ";")
	mediaType = strings.ToLower(strings.TrimSpace(mediaType))
	switch {
	case s.Kind == APIGatewayV1:
		return !matchesType(s.BinaryTypes, mediaType)
	case s.Kind == ALB && r.get("Content-Encoding") != "":
		return false
	}
	switch mediaType {
	case "application/json", "application/javascript", "application/xml":
		return true
	default:
		return strings.HasPrefix(mediaType, "text/")
	}
}

// matchesType is whether a type is one of a REST API's binary media types.
// A request without a type counts as JSON there.
func matchesType(patterns []string, mediaType string) bool {
	if mediaType == "" {
		mediaType = "application/json"
	}
	for _, pattern := range patterns {
		pattern = strings.ToLower(strings.TrimSpace(pattern))
		family, wild := strings.CutSuffix(pattern, "/*")
		switch {
		case pattern == "*/*", pattern == mediaType:
			return true
		case wild && strings.HasPrefix(mediaType, family+"/"):
			return true
		}
	}
	return false
}
