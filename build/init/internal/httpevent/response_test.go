package httpevent

import (
	"fmt"
	"strings"
	"testing"
)

// shown is a response on one line: status, reason, fields and body.
func shown(r Response) string {
	parts := []string{strings.TrimSpace(fmt.Sprint(r.Status, " ", r.Reason))}
	for _, f := range r.Header {
		parts = append(parts, f.Name+": "+f.Value)
	}
	return strings.Join(append(parts, string(r.Body)), "|")
}

const (
	jsonType = "|Content-Type: application/json|"
	textType = "|Content-Type: text/plain;charset=UTF-8|"
)

func TestFromOutput(t *testing.T) {
	cases := []struct {
		name     string
		kind     Kind
		output   string
		expected string
	}{
		{"v1 as documented", APIGatewayV1, `{"isBase64Encoded":false,"statusCode":201,"headers":{"X-A":"1"},"body":"hi"}`, "201|X-A: 1" + jsonType + "hi"},
		{"v1 without a body", APIGatewayV1, `{"statusCode":200}`, "200" + jsonType},
		{"v1 with nulls", APIGatewayV1, `{"statusCode":200,"headers":null,"multiValueHeaders":null,"body":null,"isBase64Encoded":null}`, "200" + jsonType},
		{"v1 status in a string", APIGatewayV1, `{"statusCode":"404"}`, "404" + jsonType},
		{"v1 header values of all sorts", APIGatewayV1, `{"statusCode":200,"headers":{"B":true,"A":12,"N":null,"C":1.50}}`, "200|B: true|A: 12|C: 1.50" + jsonType},
		{"v1 number for a body", APIGatewayV1, `{"statusCode":200,"body":12}`, "200" + jsonType + "12"},
		{"v1 content type in any case", APIGatewayV1, `{"statusCode":200,"headers":{"content-TYPE":"text/html"},"body":"x"}`, "200|content-TYPE: text/html|x"},
		{"v1 merges", APIGatewayV1, `{"statusCode":200,"headers":{"a":"1","b":"2","Content-Type":"t/t"},"multiValueHeaders":{"A":["1","3"],"Set-Cookie":["x","y"]}}`, "200|b: 2|Content-Type: t/t|A: 1|A: 3|Set-Cookie: x|Set-Cookie: y|"},
		{"v1 base64", APIGatewayV1, `{"statusCode":200,"isBase64Encoded":true,"body":"aGk="}`, "200" + jsonType + "hi"},
		{"v1 base64 by its old name", APIGatewayV1, `{"statusCode":200,"base64Encoded":true,"body":"aGk"}`, "200" + jsonType + "hi"},
		{"v1 mark in a string", APIGatewayV1, `{"statusCode":200,"isBase64Encoded":"True","body":"aGk="}`, "200" + jsonType + "hi"},
		{"v1 no body where none may be", APIGatewayV1, `{"statusCode":204,"body":"hi"}`, "204" + jsonType},
		{"v2 as documented", APIGatewayV2, `{"cookies":["a=1","b=2"],"isBase64Encoded":false,"statusCode":201,"headers":{"content-type":"t/t"},"body":"hi"}`, "201|content-type: t/t|set-cookie: a=1|set-cookie: b=2|hi"},
		{"v2 without a type", APIGatewayV2, `{"statusCode":200,"body":"hi"}`, "200" + textType + "hi"},
		{"v2 overlooks members", APIGatewayV2, `{"statusCode":200,"other":{},"multiValueHeaders":{"A":["1"]},"body":"hi"}`, "200" + textType + "hi"},
		{"v2 infers a string", APIGatewayV2, `"Hello from Lambda!"`, "200" + jsonType + "Hello from Lambda!"},
		{"v2 infers an object", APIGatewayV2, `{ "message": "Hello from Lambda!" }`, "200" + jsonType + `{ "message": "Hello from Lambda!" }`},
		{"v2 infers without statusCode", APIGatewayV2, `{"statusCode":null,"body":"x"}`, "200" + jsonType + `{"statusCode":null,"body":"x"}`},
		{"v2 infers null", APIGatewayV2, `null`, "200" + jsonType + "null"},
		{"v2 infers a list", APIGatewayV2, ` [1]`, "200" + jsonType + " [1]"},
		{"v2 base64", APIGatewayV2, `{"statusCode":200,"isBase64Encoded":true,"body":"/w=="}`, "200" + textType + "\xff"},
		{"url infers a string", FunctionURL, `"Hello, world!"`, "200" + jsonType + `"Hello, world!"`},
		{"url infers an object", FunctionURL, `{"message": "Hello, world!"}`, "200" + jsonType + `{"message": "Hello, world!"}`},
		{"url as documented", FunctionURL, `{"statusCode":201,"headers":{"Content-Type":"application/json","My-Custom-Header":"Custom Value"},"body":"{}","cookies":["c=1; Expires=x"],"isBase64Encoded":false}`, "201|Content-Type: application/json|My-Custom-Header: Custom Value|set-cookie: c=1; Expires=x|{}"},
		{"url without a type", FunctionURL, `{"statusCode":200,"body":"hi"}`, "200" + jsonType + "hi"},
		{"url framing is ignored", FunctionURL, `{"statusCode":200,"headers":{"Content-Length":"99","Transfer-Encoding":"chunked","Connection":"close","a":"1"},"body":"hi"}`, "200|a: 1" + jsonType + "hi"},
		{"alb as documented", ALB, `{"isBase64Encoded":false,"statusCode":200,"statusDescription":"200 OK","headers":{"Set-cookie":"c","Content-Type":"application/json"},"body":"hi"}`, "200 OK|Set-cookie: c|Content-Type: application/json|hi"},
		{"alb adds no type", ALB, `{"isBase64Encoded":false,"statusCode":200,"headers":{}}`, "200|"},
		{"alb own words", ALB, `{"isBase64Encoded":false,"statusCode":418,"statusDescription":"418 I'm a teapot","headers":{}}`, "418 I'm a teapot|"},
		{"alb words for another status", ALB, `{"isBase64Encoded":false,"statusCode":200,"statusDescription":"404 Not Found","headers":{}}`, "200|"},
		{"alb overlooks members", ALB, `{"isBase64Encoded":false,"statusCode":200,"headers":{"Connection":"close"},"multiValueHeaders":{"A":["1"]},"x":1}`, "200|"},
		{"alb base64", ALB, `{"isBase64Encoded":true,"statusCode":200,"headers":{},"body":"aGk="}`, "200|hi"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			found, err := FromOutput(settings(c.kind), []byte(c.output))
			if err != nil || shown(found) != c.expected {
				t.Errorf("expected %q, found %q, %v", c.expected, shown(found), err)
			}
		})
	}
}

func TestMalformedOutput(t *testing.T) {
	all := kinds
	gateways := kinds[:3]
	notInferred := []Kind{APIGatewayV1, ALB}
	const alb = `"isBase64Encoded":false,"headers":{}`
	cases := []struct {
		name     string
		kinds    []Kind
		output   string
		expected string
	}{
		{"no JSON", all, `Hello`, "is no JSON"},
		{"nothing", all, ``, "is no JSON"},
		{"two values", all, `{} {}`, "is no JSON"},
		{"a string", notInferred, `"Hello"`, "is no object"},
		{"null", notInferred, `null`, "is no object"},
		{"no status", notInferred, `{"body":"x",` + alb + `}`, "no statusCode"},
		{"a status that is none", all, `{"statusCode":"OK",` + alb + `}`, `statusCode is "OK"`},
		{"a status with a fraction", all, `{"statusCode":200.5,` + alb + `}`, `statusCode is 200.5`},
		{"a status too low", all, `{"statusCode":101,` + alb + `}`, `from 200 to 599`},
		{"a status too high", all, `{"statusCode":600,` + alb + `}`, `from 200 to 599`},
		{"an object for a status", all, `{"statusCode":{},` + alb + `}`, `statusCode is {}`},
		{"an object for a body", all, `{"statusCode":200,"body":{"a":1},` + alb + `}`, `body is {"a":1}`},
		{"a list for headers", all, `{"statusCode":200,"headers":[],"isBase64Encoded":false}`, `headers is []`},
		{"a list for a value", all, `{"statusCode":200,"headers":{"a":["b"]},"isBase64Encoded":false}`, `the header "a" is ["b"]`},
		{"a name that is none", all, `{"statusCode":200,"headers":{"a b":"c"},"isBase64Encoded":false}`, `"a b" cannot be the name`},
		{"a split response", all, `{"statusCode":200,"headers":{"a":"b\r\nc: d"},"isBase64Encoded":false}`, `a line break`},
		{"bad base64", all, `{"statusCode":200,"isBase64Encoded":true,"body":"%%","headers":{}}`, `marked as base64`},
		{"a mark that is none", all, `{"statusCode":200,"isBase64Encoded":1,"headers":{}}`, `isBase64Encoded is 1`},
		{"v1 unknown members", gateways[:1], `{"statusCode":200,"cookies":["a"]}`, `"cookies", which REST APIs do not know`},
		{"v1 multi-value headers", gateways[:1], `{"statusCode":200,"multiValueHeaders":{"a":[{}]}}`, `the header "a" is {}`},
		{"cookies that are none", gateways[1:], `{"statusCode":200,"cookies":"a=1"}`, `cookies is "a=1"`},
		{"a cookie that is none", gateways[1:], `{"statusCode":200,"cookies":[1]}`, `cookies has 1 in it`},
		{"a cookie with a line break", gateways[1:], `{"statusCode":200,"cookies":["a\nb"]}`, `a line break`},
		{"alb status in a string", kinds[3:], `{"statusCode":"200",` + alb + `}`, `statusCode is "200"`},
		{"alb number for a header", kinds[3:], `{"statusCode":200,"isBase64Encoded":false,"headers":{"a":1}}`, `the header "a" is 1`},
		{"alb number for a body", kinds[3:], `{"statusCode":200,"body":1,` + alb + `}`, `body is 1`},
		{"alb no mark", kinds[3:], `{"statusCode":200,"headers":{}}`, `has no isBase64Encoded`},
		{"alb no headers", kinds[3:], `{"statusCode":200,"isBase64Encoded":false}`, `has no headers`},
		{"alb odd description", kinds[3:], `{"statusCode":200,"statusDescription":"200 O\nK",` + alb + `}`, `statusDescription is`},
		{"alb too much", kinds[3:], `{"statusCode":200,"body":"` + strings.Repeat("x", maxOutput) + `",` + alb + `}`, `load balancers take up to 1048576`},
	}
	for _, c := range cases {
		for _, kind := range c.kinds {
			t.Run(c.name+" "+kind.String(), func(t *testing.T) {
				found, err := FromOutput(settings(kind), []byte(c.output))
				if err == nil || !strings.Contains(err.Error(), c.expected) {
					t.Errorf("expected an error with %q, found %q, %v", c.expected, shown(found), err)
				}
			})
		}
	}
}

// TestHeaderTable walks the rows of API Gateway's table on what becomes of a
// Lambda response's fields.
func TestHeaderTable(t *testing.T) {
	const pass, renamed, lost = "P", "R", "D"
	rows := []struct{ name, fate string }{
		{"Age", pass}, {"Accept", pass}, {"Accept-Charset", pass}, {"Accept-Encoding", pass},
		{"Authorization", renamed}, {"Connection", renamed}, {"Content-Encoding", pass},
		{"Content-MD5", renamed}, {"Content-Type", pass}, {"Date", renamed}, {"Expect", lost},
		{"Host", lost}, {"Max-Forwards", renamed}, {"Pragma", pass}, {"Proxy-Authenticate", lost},
		{"Range", pass}, {"Referer", pass}, {"Server", renamed}, {"TE", lost}, {"Transfer-Encoding", lost},
		{"Trailer", lost}, {"Upgrade", lost}, {"User-Agent", renamed}, {"Via", lost}, {"Warn", pass},
		{"WWW-Authenticate", renamed},
		// It passes by the table, but it is for the writer to compute.
		{"Content-Length", lost},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			expected := map[string][]Field{
				pass:    {{row.name, "x"}},
				renamed: {{"x-amzn-Remapped-" + row.name, "x"}},
			}[row.fate]
			if found := remapped([]Field{{row.name, "x"}}); fmt.Sprint(found) != fmt.Sprint(expected) {
				t.Errorf("expected %v, found %v", expected, found)
			}
		})
	}
}

func TestMultiValueALB(t *testing.T) {
	s := settings(ALB)
	s.MultiValue = true
	found, err := FromOutput(s, []byte(`{"statusCode":200,"isBase64Encoded":false,"headers":{"b":5},"multiValueHeaders":{"Set-cookie":["a","b"]}}`))
	if expected := "200|Set-cookie: a|Set-cookie: b|"; err != nil || shown(found) != expected {
		t.Errorf("expected %q, found %q, %v", expected, shown(found), err)
	}
	_, err = FromOutput(s, []byte(`{"statusCode":200,"isBase64Encoded":false,"headers":{}}`))
	if err == nil || !strings.Contains(err.Error(), "has no multiValueHeaders") {
		t.Errorf("expected an error for missing multi-value headers, found %v", err)
	}
}

func TestFailures(t *testing.T) {
	const errorType = "|x-amzn-ErrorType: "
	json := strings.TrimSuffix(jsonType, "|")
	cases := []struct {
		kind                           Kind
		badGateway, notFound, tooLarge string
	}{
		{APIGatewayV1,
			"502" + json + errorType + `InternalServerErrorException|{"message": "Internal server error"}`,
			"403" + json + errorType + `MissingAuthenticationTokenException|{"message":"Missing Authentication Token"}`,
			"413" + json + errorType + `RequestTooLargeException|{"message":"Request Too Long"}`},
		{APIGatewayV2, "500" + json + `|{"message":"Internal Server Error"}`, "404" + json + `|{"message":"Not Found"}`, "413" + json + `|{"message":"Request Entity Too Large"}`},
		{FunctionURL, "502" + json + "|Internal Server Error", "404" + json + `|{"Message":null}`, "413" + json + `|{"message":"Request Entity Too Large"}`},
		{ALB, "502|Content-Type: text/html|<html>", "404|Content-Type: text/html|<html>", "413|Content-Type: text/html|<html>"},
	}
	for _, c := range cases {
		s := settings(c.kind)
		for found, expected := range map[string]string{
			shown(BadGateway(s)): c.badGateway, shown(NotFound(s)): c.notFound, shown(TooLarge(s)): c.tooLarge,
		} {
			if !strings.HasPrefix(found, expected) {
				t.Errorf("%s: expected %q, found %q", c.kind, expected, found)
			}
		}
	}
}

func TestServiceHeader(t *testing.T) {
	expected := map[Kind]string{
		APIGatewayV1: "x-amzn-RequestId x-amz-apigw-id X-Amzn-Trace-Id",
		APIGatewayV2: "Apigw-Requestid",
		FunctionURL:  "x-amzn-RequestId X-Amzn-Trace-Id",
		ALB:          "",
	}
	for _, kind := range kinds {
		var names []string
		for _, f := range ServiceHeader(settings(kind), richRequest()) {
			names = append(names, f.Name)
			if f.Value == "" {
				t.Errorf("%s: %s has no value", kind, f.Name)
			}
		}
		if found := strings.Join(names, " "); found != expected[kind] {
			t.Errorf("%s: expected %q, found %q", kind, expected[kind], found)
		}
		for _, f := range ServiceHeader(settings(kind), bareRequest()) {
			if f.Name == "X-Amzn-Trace-Id" {
				t.Errorf("%s: expected no trace id without one", kind)
			}
		}
	}
}

func TestMaxRequest(t *testing.T) {
	for kind, expected := range map[Kind]int64{APIGatewayV1: 10 << 20, APIGatewayV2: 10 << 20, FunctionURL: 6 << 20, ALB: 1 << 20} {
		if found := MaxRequest(kind); found != expected {
			t.Errorf("%s: expected %d, found %d", kind, expected, found)
		}
	}
}

func FuzzFromOutput(f *testing.F) {
	f.Add([]byte(`{"statusCode":200,"isBase64Encoded":true,"headers":{"a":1},"multiValueHeaders":{"a":["1"]},"cookies":["c"],"body":"aGk="}`))
	f.Add([]byte(`{"statusCode":"200","statusCode":1,"headers":{"a":null,"A":[]},"statusDescription":"200 \u0000"}`))
	f.Add([]byte(`"\ud800"`))
	f.Add([]byte("{\"\xff\":[[[["))
	f.Fuzz(func(t *testing.T, raw []byte) {
		for _, kind := range kinds {
			for _, multi := range []bool{false, true} {
				s := settings(kind)
				s.MultiValue = multi
				response, err := FromOutput(s, raw)
				if err == nil {
					checkSendable(t, response.Status, append(response.Header, Field{"Reason", response.Reason}))
				}
			}
		}
	})
}

// checkSendable fails unless a head may go out as it is.
func checkSendable(t *testing.T, status int, header []Field) {
	t.Helper()
	if status < 200 || status > 599 {
		t.Errorf("the status %d cannot be sent", status)
	}
	for _, f := range header {
		if f.Name == "" || strings.ContainsAny(f.Name, " :\r\n\x00") || strings.ContainsAny(f.Value, "\r\n\x00") {
			t.Errorf("the field %q cannot be sent", f)
		}
		if strings.EqualFold(f.Name, "Content-Length") || strings.EqualFold(f.Name, "Transfer-Encoding") {
			t.Errorf("the field %q is not the function's to send", f)
		}
	}
}
