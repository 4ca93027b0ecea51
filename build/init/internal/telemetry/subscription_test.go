package telemetry

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// body is a subscription, with parts in place of the usual ones.
func body(parts ...string) string {
	fields := []string{
		`"schemaVersion":"2022-12-13"`,
		`"types":["platform","function"]`,
		`"destination":{"protocol":"HTTP","URI":"http://sandbox.localdomain:8080"}`,
	}
	for _, part := range parts {
		name, _, _ := strings.Cut(part, ":")
		fields = slices.DeleteFunc(fields, func(f string) bool { return strings.HasPrefix(f, name+":") })
		if !strings.HasSuffix(part, ":") {
			fields = append(fields, part)
		}
	}
	return "{" + strings.Join(fields, ",") + "}"
}

func destination(protocol, uri string) string {
	return fmt.Sprintf(`"destination":{"protocol":%q,"URI":%q}`, protocol, uri)
}

func TestParseSubscription(t *testing.T) {
	usual := Subscription{
		SchemaVersion: "2022-12-13", Kinds: Platform | Function,
		Destination: Destination{"HTTP", "127.0.0.1:8080", "sandbox.localdomain:8080", "/"},
		MaxItems:    10000, MaxBytes: 262144, Timeout: time.Second,
	}
	cases := []struct {
		name, body string
		change     func(*Subscription)
	}{
		{"usual", body(), func(*Subscription) {}},
		{"oldest version", body(`"schemaVersion":"2022-07-01"`), func(s *Subscription) { s.SchemaVersion = "2022-07-01" }},
		{"newest version", body(`"schemaVersion":"2025-01-29"`), func(s *Subscription) { s.SchemaVersion = "2025-01-29" }},
		{"all types, one twice", body(`"types":["extension","platform","function","platform"]`), func(s *Subscription) { s.Kinds = allKinds }},
		{"path and query", body(destination("HTTP", "http://sandbox:8080/a/b?c=d#e")), func(s *Subscription) {
			s.Destination.Host, s.Destination.Path = "sandbox:8080", "/a/b?c=d"
		}},
		{"query alone", body(destination("HTTP", "http://localhost:8080?c")), func(s *Subscription) {
			s.Destination.Host, s.Destination.Path = "localhost:8080", "/?c"
		}},
		{"address", body(destination("HTTP", "HTTP://127.0.0.1:65535/")), func(s *Subscription) {
			s.Destination.Address, s.Destination.Host = "127.0.0.1:65535", "127.0.0.1:65535"
		}},
		{"TCP", body(destination("TCP", "tcp://sandbox.localdomain:8080")), func(s *Subscription) { s.Destination.Protocol = "TCP" }},
		{"TCP, scheme of HTTP", body(destination("TCP", "http://sandbox.localdomain:8080")), func(s *Subscription) { s.Destination.Protocol = "TCP" }},
		{"TCP, no scheme", body(destination("TCP", "sandbox.localdomain:8080")), func(s *Subscription) { s.Destination.Protocol = "TCP" }},
		{"TCP, port alone", body(`"destination":{"protocol":"TCP","port":8080}`), func(s *Subscription) { s.Destination.Protocol = "TCP" }},
		{"least buffering", body(`"buffering":{"maxItems":1000,"maxBytes":262144,"timeoutMs":25}`), func(s *Subscription) {
			s.MaxItems, s.Timeout = 1000, 25*time.Millisecond
		}},
		{"most buffering", body(`"buffering":{"maxItems":10000,"maxBytes":1048576,"timeoutMs":30000}`), func(s *Subscription) {
			s.MaxBytes, s.Timeout = 1048576, 30*time.Second
		}},
		{"empty buffering", body(`"buffering":{}`), func(*Subscription) {}},
		{"no buffering", body(`"buffering":null`), func(*Subscription) {}},
		{"unknown fields", body(`"new":{"a":1}`), func(*Subscription) {}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			expected := usual
			c.change(&expected)
			found, err := ParseSubscription([]byte(c.body))
			if err != nil || found != expected {
				t.Errorf("expected %+v, found %+v, %v", expected, found, err)
			}
		})
	}
}

func TestParseSubscriptionFaults(t *testing.T) {
	cases := []struct{ name, body, expected string }{
		{"as documented", body(destination("HTTP", "http://sandbox.localdomain"), `"types":[]`),
			"URI port is not provided; types should not be empty"},
		{"empty", "", "the body is no subscription: *"},
		{"no object", "[]", "the body is no subscription: *"},
		{"two of them", body() + body(), "the body is no subscription: *"},
		{"nothing in it", "{}", "schemaVersion is not provided; destination is not provided; types should not be empty"},
		{"null", "null", "schemaVersion is not provided; destination is not provided; types should not be empty"},
		{"no version", body(`"schemaVersion":`), "schemaVersion is not provided"},
		{"version of the Logs API", body(`"schemaVersion":"2020-08-15"`), "schemaVersion should be one of 2022-07-01, 2022-12-13, 2025-01-29"},
		{"unknown type", body(`"types":["platform","Function"]`), `type "Function" is unknown; *`},
		{"types are no list", body(`"types":"platform"`), "the body is no subscription: *"},
		{"unknown protocol", body(destination("http", "http://sandbox:1")), "protocol should be HTTP or TCP"},
		{"no URI", body(`"destination":{"protocol":"HTTP"}`), "URI is not provided"},
		{"port alone for HTTP", body(`"destination":{"protocol":"HTTP","port":8080}`), "URI is not provided"},
		{"no scheme", body(destination("HTTP", "sandbox:8080")), "URI should be like http://sandbox.localdomain:8080"},
		{"other scheme", body(destination("HTTP", "https://sandbox:8080")), "URI should be like http://sandbox.localdomain:8080"},
		{"TCP scheme for HTTP", body(destination("HTTP", "tcp://sandbox:8080")), "URI should be like http://sandbox.localdomain:8080"},
		{"a header in the URI", body(destination("HTTP", "http://sandbox:8080/\r\nX-A: b")), "URI should be like http://sandbox.localdomain:8080"},
		{"other host", body(destination("HTTP", "http://example.com:8080")), "URI host should be sandbox.localdomain"},
		{"no host", body(destination("HTTP", "http://:8080")), "URI host should be sandbox.localdomain"},
		{"user", body(destination("HTTP", "http://me@sandbox:8080")), "URI host should be sandbox.localdomain"},
		{"empty port", body(destination("HTTP", "http://sandbox:/x")), "URI port is not provided"},
		{"port is a word", body(destination("HTTP", "http://sandbox:http")), "URI port should be a number from 1 to 65535"},
		{"port 0", body(destination("HTTP", "http://sandbox:0")), "URI port should be a number from 1 to 65535"},
		{"port too high", body(destination("HTTP", "http://sandbox:65536")), "URI port should be a number from 1 to 65535"},
		{"negative port", body(`"destination":{"protocol":"TCP","port":-1}`), "URI port should be a number from 1 to 65535"},
		{"two ports", body(destination("HTTP", "http://sandbox:1:2")), "URI port should be a number from 1 to 65535"},
		{"reserved port", body(destination("HTTP", "http://sandbox:9001")), "URI port 9001 is reserved"},
		{"too few items", body(`"buffering":{"maxItems":999}`), "maxItems should be between 1000 and 10000"},
		{"too many items", body(`"buffering":{"maxItems":10001}`), "maxItems should be between 1000 and 10000"},
		{"too few bytes", body(`"buffering":{"maxBytes":262143}`), "maxBytes should be between 262144 and 1048576"},
		{"too many bytes", body(`"buffering":{"maxBytes":1048577}`), "maxBytes should be between 262144 and 1048576"},
		{"too short", body(`"buffering":{"timeoutMs":24}`), "timeoutMs should be between 25 and 30000"},
		{"too long", body(`"buffering":{"timeoutMs":30001}`), "timeoutMs should be between 25 and 30000"},
		{"not whole", body(`"buffering":{"timeoutMs":25.5}`), "the body is no subscription: *"},
		{"all at once", body(`"schemaVersion":"1"`, destination("HTTP", "http://example.com"), `"types":["x"]`, `"buffering":{"maxItems":1,"maxBytes":1,"timeoutMs":1}`),
			"schemaVersion should be one of *; URI host should be sandbox.localdomain; URI port is not provided; type \"x\" is unknown; *; maxItems should *; maxBytes should *; timeoutMs should *"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			found, err := ParseSubscription([]byte(c.body))
			var invalid *ValidationError
			if !errors.As(err, &invalid) || found != (Subscription{}) {
				t.Fatalf("found %+v, %v", found, err)
			}
			if !like(err.Error(), c.expected) {
				t.Errorf("expected %s, found %s", c.expected, err)
			}
		})
	}
}

// like compares with a text in which * is for anything.
func like(text, pattern string) bool {
	first, rest, any := strings.Cut(pattern, "*")
	if !any {
		return text == pattern
	}
	if !strings.HasPrefix(text, first) {
		return false
	}
	for text = text[len(first):]; ; text = text[1:] {
		if like(text, rest) {
			return true
		}
		if text == "" {
			return false
		}
	}
}

func TestTypeNames(t *testing.T) {
	found := Subscription{Kinds: Extension | Platform}.TypeNames()
	if !slices.Equal(found, []string{"platform", "extension"}) {
		t.Errorf("found %q", found)
	}
}

// FuzzParseSubscription: what is accepted can be delivered to, and what is not
// is said to be invalid.
func FuzzParseSubscription(f *testing.F) {
	for _, seed := range []string{
		"", "null", "{}", body(), body(destination("TCP", "tcp://localhost:1?x#y")), body(`"destination":{"protocol":"TCP","port":70000}`),
		body(destination("HTTP", "http://sandbox:80/ü")), body(`"buffering":{"maxItems":1e3,"maxBytes":-1,"timeoutMs":9223372036854775808}`),
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := ParseSubscription(data)
		if err != nil {
			var invalid *ValidationError
			if !errors.As(err, &invalid) || len(invalid.Faults) == 0 || s != (Subscription{}) {
				t.Fatalf("found %+v, %v", s, err)
			}
			return
		}
		d := s.Destination
		if s.Kinds == noKind || s.Kinds&^allKinds != 0 || s.MaxItems < 1000 || s.MaxBytes < 262144 || s.Timeout < 25*time.Millisecond {
			t.Errorf("accepted: %+v", s)
		}
		if !strings.HasPrefix(d.Address, "127.0.0.1:") || strings.HasSuffix(d.Address, ":0") || strings.HasSuffix(d.Address, ":9001") {
			t.Errorf("address %q", d.Address)
		}
		if !strings.HasPrefix(d.Path, "/") || strings.ContainsAny(d.Path+d.Host, " \r\n\t\x00") {
			t.Errorf("host %q, path %q", d.Host, d.Path)
		}
	})
}
