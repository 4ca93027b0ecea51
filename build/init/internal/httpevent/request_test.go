package httpevent

import (
	"fmt"
	"strings"
	"testing"
)

func TestHeader(t *testing.T) {
	cases := []struct {
		name     string
		kind     Kind
		header   []Field
		key      string
		expected any
	}{
		{"v1 keeps the case", APIGatewayV1, []Field{{"X-Thing", "1"}}, "headers X-Thing", "1"},
		{"v1 has the last value", APIGatewayV1, []Field{{"A", "1"}, {"a", "2"}}, "headers A", "2"},
		{"v1 has all values", APIGatewayV1, []Field{{"A", "1"}, {"a", "2"}}, "multiValueHeaders A", "[1 2]"},
		{"v1 drops what its table drops", APIGatewayV1, []Field{{"Max-Forwards", "1"}}, "headers Max-Forwards", nil},
		{"v1 passes Via", APIGatewayV1, []Field{{"Via", "1.1 x"}}, "headers Via", "1.1 x"},
		{"v1 passes Authorization", APIGatewayV1, []Field{{"Authorization", "x"}}, "headers Authorization", "x"},
		{"v1 leaves cookies in the header", APIGatewayV1, []Field{{"Cookie", "a=1; b=2"}}, "headers Cookie", "a=1; b=2"},
		{"v2 lowers the case", APIGatewayV2, []Field{{"X-Thing", "1"}}, "headers x-thing", "1"},
		{"v2 joins", APIGatewayV2, []Field{{"A", "1"}, {"a", "2"}}, "headers a", "1,2"},
		{"v2 passes what v1 drops", APIGatewayV2, []Field{{"Max-Forwards", "1"}}, "headers max-forwards", "1"},
		{"v2 moves cookies", APIGatewayV2, []Field{{"Cookie", "a=1; b=2;"}, {"cookie", "c=3"}}, "cookies", "[a=1 b=2 c=3]"},
		{"v2 has them nowhere else", APIGatewayV2, []Field{{"Cookie", "a=1"}}, "headers cookie", nil},
		{"url moves cookies", FunctionURL, []Field{{"Cookie", "a=1"}}, "cookies", "[a=1]"},
		{"url joins", FunctionURL, []Field{{"A", "1"}, {"a", "2"}}, "headers a", "1,2"},
		{"alb has the last value", ALB, []Field{{"A", "1"}, {"a", "2"}}, "headers a", "2"},
		{"alb leaves cookies in the header", ALB, []Field{{"Cookie", "a=1"}}, "headers cookie", "a=1"},
		{"the connection is no concern", ALB, []Field{{"Connection", "close"}}, "headers connection", nil},
		{"nor is an upgrade", FunctionURL, []Field{{"Upgrade", "h2c"}}, "headers upgrade", nil},
		{"nor is Expect", APIGatewayV2, []Field{{"Expect", "100-continue"}}, "headers expect", nil},
		{"a chunked body gets its length", APIGatewayV2, []Field{{"Transfer-Encoding", "chunked"}}, "headers content-length", "0"},
		{"a client's port is not believed", ALB, []Field{{"X-Forwarded-Port", "1"}}, "headers x-forwarded-port", "8000"},
		{"proxies on the way are told", ALB, []Field{{"X-Forwarded-For", "a"}, {"x-forwarded-for", "b"}}, "headers x-forwarded-for", "a, b, 192.0.2.7"},
		{"a client's trace stays without another", ALB, []Field{{"X-Amzn-Trace-Id", "Root=1"}}, "headers x-amzn-trace-id", "Root=1"},
		{"no trace without any", ALB, nil, "headers x-amzn-trace-id", nil},
		{"Latin-1 is read as such", APIGatewayV2, []Field{{"X-Name", "Zo\xeb"}}, "headers x-name", "Zoë"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			r := bareRequest()
			r.Header = c.header
			value, there := at(object(t, settings(c.kind), r), strings.Fields(c.key)...)
			if list, ok := value.([]any); ok {
				value = fmt.Sprint(list)
			}
			if there != (c.expected != nil) || value != c.expected {
				t.Errorf("expected %v, found %v", c.expected, value)
			}
		})
	}
}

func TestServiceFields(t *testing.T) {
	for _, kind := range kinds {
		names := []string{"X-Forwarded-For", "X-Forwarded-Port", "X-Forwarded-Proto", "X-Amzn-Trace-Id"}
		event := object(t, settings(kind), richRequest())
		for _, name := range names {
			if kind != APIGatewayV1 {
				name = strings.ToLower(name)
			}
			if _, there := at(event, "headers", name); !there {
				t.Errorf("%s: expected %s, found none", kind, name)
			}
		}
	}
}

func TestQuery(t *testing.T) {
	cases := []struct {
		name, query string
		decode      bool
		expected    string
	}{
		{"none", "", true, "[]"},
		{"a flag", "a", true, "[{a }]"},
		{"empty pairs", "&&a=1&", true, "[{a 1}]"},
		{"no name", "=1", true, "[{ 1}]"},
		{"more equals signs", "a=b=c", true, "[{a b=c}]"},
		{"plus is a blank", "a+b=c+d", true, "[{a b c d}]"},
		{"an escaped plus is one", "a=%2B", true, "[{a +}]"},
		{"escaped separators", "a%3D=%26", true, "[{a= &}]"},
		{"small digits", "a=%c3%a9", true, "[{a é}]"},
		{"an escape cut short", "a=%e&b=%", true, "[{a %e} {b %}]"},
		{"no escape at all", "a=%zz%20", true, "[{a %zz }]"},
		{"an escape is decoded once", "a=%2541", true, "[{a %41}]"},
		{"not UTF-8", "a=%e9", true, "[{a é}]"},
		{"left as it is", "a%3D=c+d%20", false, "[{a%3D c+d%20}]"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if found := fmt.Sprint(parseQuery(c.query, c.decode)); found != c.expected {
				t.Errorf("expected %s, found %s", c.expected, found)
			}
		})
	}
}

func TestPath(t *testing.T) {
	cases := []struct {
		name, path string
		kind       Kind
		key        string
		expected   string
	}{
		{"v1 keeps escapes", "/a%2Fb/", APIGatewayV1, "path", "/a%2Fb/"},
		{"v2 decodes", "/a%2Fb", APIGatewayV2, "rawPath", "/a/b"},
		{"v2 leaves bad escapes", "/100%", APIGatewayV2, "rawPath", "/100%"},
		{"v2 knows no plus", "/a+b", APIGatewayV2, "rawPath", "/a+b"},
		{"url keeps escapes", "/a%2Fb", FunctionURL, "rawPath", "/a%2Fb"},
		{"alb keeps escapes", "/a%2Fb", ALB, "path", "/a%2Fb"},
		{"an asterisk", "*", ALB, "path", "/*"},
		{"nothing", "", APIGatewayV1, "path", "/"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			r := bareRequest()
			r.RawPath = c.path
			if found := object(t, settings(c.kind), r)[c.key]; found != c.expected {
				t.Errorf("expected %q, found %q", c.expected, found)
			}
		})
	}
}

func TestBody(t *testing.T) {
	text := []Kind{APIGatewayV1, APIGatewayV2, FunctionURL, ALB}
	onlyV1 := []Kind{APIGatewayV1}
	cases := []struct {
		name   string
		header []Field
		body   string
		// asText are the services that send the body as it is.
		asText []Kind
	}{
		{"JSON", []Field{{"Content-Type", "application/json"}}, "{}", text},
		{"JSON in capitals", []Field{{"content-type", "Application/JSON ; charset=utf-8"}}, "{}", text},
		{"XML", []Field{{"Content-Type", "application/xml"}}, "<a/>", text},
		{"JavaScript", []Field{{"Content-Type", "application/javascript"}}, "0", text},
		{"plain text", []Field{{"Content-Type", "text/plain"}}, "é", text},
		{"a form", []Field{{"Content-Type", "application/x-www-form-urlencoded"}}, "a=1", onlyV1},
		{"JSON of a kind", []Field{{"Content-Type", "application/problem+json"}}, "{}", onlyV1},
		{"bytes", []Field{{"Content-Type", "application/octet-stream"}}, "abc", onlyV1},
		{"no type", nil, "abc", onlyV1},
		{"text that is not UTF-8", []Field{{"Content-Type", "text/plain"}}, "Zo\xeb", nil},
		{"compressed", []Field{{"Content-Type", "text/plain"}, {"Content-Encoding", "gzip"}}, "abc", text[:3]},
	}
	for _, c := range cases {
		for _, kind := range kinds {
			t.Run(c.name+" "+kind.String(), func(t *testing.T) {
				r := bareRequest()
				r.Header, r.Body = c.header, []byte(c.body)
				event := object(t, settings(kind), r)
				expected := true
				for _, k := range c.asText {
					expected = expected && k != kind
				}
				if event["isBase64Encoded"] != expected {
					t.Errorf("expected isBase64Encoded %v, found %v", expected, event["isBase64Encoded"])
				}
				if found := bodyOf(t, event); found != c.body {
					t.Errorf("expected the body %q, found %q", c.body, found)
				}
			})
		}
	}
}

func TestBinaryTypes(t *testing.T) {
	cases := []struct {
		name, types, mediaType string
		encoded                bool
	}{
		{"itself", "image/png", "image/png", true},
		{"with parameters", "image/png", "image/png; q=1", true},
		{"another", "image/png", "image/gif", false},
		{"its family", "image/*", "image/gif", true},
		{"another family", "image/*", "imagery/gif", false},
		{"everything", "*/*", "text/plain", true},
		{"nothing is JSON", "application/json", "", true},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			s, r := settings(APIGatewayV1), bareRequest()
			s.BinaryTypes = []string{"x/y", c.types}
			r.Header, r.Body = []Field{{"Content-Type", c.mediaType}}, []byte("abc")
			if found := object(t, s, r)["isBase64Encoded"]; found != c.encoded {
				t.Errorf("expected %v, found %v", c.encoded, found)
			}
		})
	}
}

func FuzzUnescape(f *testing.F) {
	f.Add("%41%zz%")
	f.Add("a+b%2")
	f.Fuzz(func(t *testing.T, s string) {
		if found := unescape(s); len(found) > len(s) {
			t.Errorf("expected no more than %d bytes of %q, found %q", len(s), s, found)
		}
		var escaped strings.Builder
		for i := 0; i < len(s); i++ {
			fmt.Fprintf(&escaped, "%%%02x", s[i])
		}
		if found := unescape(escaped.String()); found != s {
			t.Errorf("expected %q back, found %q", s, found)
		}
	})
}
