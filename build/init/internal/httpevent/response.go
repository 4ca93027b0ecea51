package httpevent

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// Response is what the client gets. Content-Length and the framing are for
// the one who writes it.
type Response struct {
	Status int
	// Reason is the phrase in the status line, where the function gave one
	// (a load balancer's statusDescription); empty is the usual one.
	Reason string
	Header []Field
	Body   []byte
}

// FromOutput is the response that the service makes of a function's
// successful output. An error says what is wrong with the output: then
// BadGateway is what the client gets, and the error is for the log.
func FromOutput(s *Settings, raw []byte) (Response, error) {
	o, err := parseOutput(raw)
	if err != nil {
		return Response{}, err
	}
	var response Response
	switch s.Kind {
	case APIGatewayV1:
		response, err = fromREST(o)
	case APIGatewayV2, FunctionURL:
		response, err = fromPayload2(s.Kind, o, raw)
	default:
		response, err = fromALB(s, o, raw)
	}
	if err != nil {
		return Response{}, err
	}
	if response.Status == 204 || response.Status == 304 {
		response.Body = nil
	}
	return response, nil
}

// restMembers are all that a REST API allows. base64Encoded is what the old
// Java class calls isBase64Encoded; SAM takes it too.
var restMembers = set("statusCode", "headers", "multiValueHeaders", "body", "isBase64Encoded", "base64Encoded")

// fromREST follows REST APIs, which fail on members that they do not know
// (measured by SAM's local API). Numbers, booleans, and digits for a status
// are taken as text. A missing statusCode is an error, as documented.
func fromREST(o output) (Response, error) {
	if o == nil {
		return Response{}, errors.New("the function's output is no object: return statusCode, headers and body")
	}
	for name := range o {
		if !restMembers[name] {
			return Response{}, fmt.Errorf("the function's output has the member %q, which REST APIs do not know: take it out", name)
		}
	}
	if old := o["base64Encoded"]; old != nil && !o.has("isBase64Encoded") {
		o["isBase64Encoded"] = old
	}
	response, err := basics(o, true)
	if err != nil {
		return Response{}, err
	}
	multi, err := o.multiFields("multiValueHeaders", true)
	if err != nil {
		return Response{}, err
	}
	response.Header = remapped(merged(response.Header, multi))
	return withType(response, "application/json"), nil
}

// merged has all fields of both, but each pair of name and value that both
// have only as the multi-value headers have it.
func merged(single, multi []Field) []Field {
	pairs := make(map[Field]bool, len(multi))
	for _, f := range multi {
		pairs[Field{strings.ToLower(f.Name), f.Value}] = true
	}
	var fields []Field
	for _, f := range single {
		if !pairs[Field{strings.ToLower(f.Name), f.Value}] {
			fields = append(fields, f)
		}
	}
	return append(fields, multi...)
}

// fromPayload2 follows payload format 2.0. An output without statusCode is
// the body itself, as it is but for a lone string, which HTTP APIs send
// without its quotes and function URLs with them. Members that are not known
// are overlooked; numbers, booleans, and digits for a status are taken as
// text.
//
// The type of a response that names none is not documented but for inferred
// ones. HTTP APIs are taken to say text, function URLs JSON.
func fromPayload2(kind Kind, o output, raw []byte) (Response, error) {
	if !o.has("statusCode") {
		return inferred(kind, raw)
	}
	response, err := basics(o, true)
	if err != nil {
		return Response{}, err
	}
	cookies, err := o.cookies()
	if err != nil {
		return Response{}, err
	}
	response.Header = append(endToEnd(response.Header), cookies...)
	if kind == FunctionURL {
		return withType(response, "application/json"), nil
	}
	return withType(response, "text/plain;charset=UTF-8"), nil
}

func inferred(kind Kind, raw []byte) (Response, error) {
	body := raw
	if kind == APIGatewayV2 && first(raw) == '"' {
		var s string
		if err := json.Unmarshal(raw, &s); err != nil {
			return Response{}, fmt.Errorf("the function's output cannot be read: %w", err)
		}
		body = []byte(s)
	}
	return withType(Response{Status: 200, Body: body}, "application/json"), nil
}

// fromALB follows load balancers, which take no type for another. The members
// that are documented as required must be there; the headers must be in the
// member that belongs to the target group's setting, and the other is
// overlooked.
func fromALB(s *Settings, o output, raw []byte) (Response, error) {
	if o == nil {
		return Response{}, errors.New("the function's output is no object: return statusCode, isBase64Encoded, headers and body")
	}
	if len(raw) > maxOutput {
		return Response{}, fmt.Errorf("the function's output has %d bytes: load balancers take up to %d", len(raw), maxOutput)
	}
	required := []string{"statusCode", "isBase64Encoded", "headers"}
	if s.MultiValue {
		required[2] = "multiValueHeaders"
	}
	for _, name := range required {
		if !o.has(name) {
			return Response{}, fmt.Errorf("the function's output has no %s, which load balancers require: add it", name)
		}
	}
	if s.MultiValue {
		delete(o, "headers")
	}
	response, err := basics(o, false)
	if err != nil {
		return Response{}, err
	}
	if s.MultiValue {
		if response.Header, err = o.multiFields("multiValueHeaders", false); err != nil {
			return Response{}, err
		}
	}
	response.Header = endToEnd(response.Header)
	response.Reason, err = o.reason(response.Status)
	return response, err
}

// reason is what statusDescription says after the status: "Created" of
// "201 Created". One for another status is overlooked.
func (o output) reason(status int) (string, error) {
	raw, ok := o["statusDescription"]
	if !ok {
		return "", nil
	}
	description, err := scalar(raw)
	if err != nil || first(raw) != '"' || !isFieldValue(description) {
		return "", fmt.Errorf(`statusDescription is %s: it must be a string such as "200 OK"`, shortened(raw))
	}
	reason, ok := strings.CutPrefix(description, fmt.Sprint(status)+" ")
	if !ok {
		return "", nil
	}
	return strings.TrimSpace(reason), nil
}

// basics reads what all formats have: status, single headers and body.
func basics(o output, lenient bool) (Response, error) {
	status, err := o.status(lenient)
	if err != nil {
		return Response{}, err
	}
	header, err := o.fields("headers", lenient)
	if err != nil {
		return Response{}, err
	}
	body, err := o.body(lenient)
	return Response{Status: status, Header: header, Body: body}, err
}

// withType adds a content type where there is none.
func withType(r Response, contentType string) Response {
	for _, f := range r.Header {
		if strings.EqualFold(f.Name, "Content-Type") {
			return r
		}
	}
	r.Header = append(r.Header, Field{"Content-Type", contentType})
	return r
}
