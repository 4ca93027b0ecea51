package httpevent

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "write the golden files anew")

func TestGolden(t *testing.T) {
	for _, kind := range kinds {
		named := settings(kind)
		named.StageVariables = map[string]string{"table": "users"}
		named.Routes = []Route{{"POST", "/users/{id}/{rest+}"}, {"ANY", "$default"}}
		multi := settings(kind)
		multi.MultiValue = true
		cases := []struct {
			name     string
			settings *Settings
			request  *Request
		}{
			{"bare", settings(kind), bareRequest()},
			{"rich", named, richRequest()},
		}
		if kind == ALB {
			cases = append(cases, struct {
				name     string
				settings *Settings
				request  *Request
			}{"multi-value", multi, richRequest()})
		}
		for _, c := range cases {
			name := kind.String() + "-" + c.name
			t.Run(name, func(t *testing.T) { checkGolden(t, name, c.settings, c.request) })
		}
	}
}

func checkGolden(t *testing.T, name string, s *Settings, r *Request) {
	payload, ok := Event(s, r)
	if !ok {
		t.Fatal("expected an event, found no route")
	}
	var found bytes.Buffer
	if err := json.Indent(&found, payload, "", "  "); err != nil {
		t.Fatal(err)
	}
	found.WriteByte('\n')
	path := filepath.Join("testdata", name+".json")
	if *update {
		if err := os.WriteFile(path, found.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	expected, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(expected, found.Bytes()) {
		t.Errorf("%s: expected\n%sfound\n%s", path, expected, found.Bytes())
	}
}

func TestEventIsStable(t *testing.T) {
	for _, kind := range kinds {
		first, _ := Event(settings(kind), richRequest())
		second, _ := Event(settings(kind), richRequest())
		if !bytes.Equal(first, second) {
			t.Errorf("%s: two events of one request differ:\n%s\n%s", kind, first, second)
		}
		if bytes.Contains(first, []byte(`\u003c`)) || !bytes.Contains(first, []byte("<Zoë> & co")) {
			t.Errorf("%s: expected the body unescaped, found %s", kind, first)
		}
		if bytes.ContainsAny(first, "\n") {
			t.Errorf("%s: expected one line, found %s", kind, first)
		}
	}
}

func TestEventLeavesTheRequestAlone(t *testing.T) {
	for _, kind := range kinds {
		r := richRequest()
		Event(settings(kind), r)
		for i, f := range richRequest().Header {
			if r.Header[i] != f {
				t.Errorf("%s: the request's field %v has become %v", kind, f, r.Header[i])
			}
		}
	}
}

func TestStages(t *testing.T) {
	cases := []struct {
		name     string
		kind     Kind
		stage    string
		stageKey string
		path     []string
		expected string
	}{
		{"v1 has one by default", APIGatewayV1, "", "prod", []string{"requestContext", "path"}, "/prod/a"},
		{"v1 keeps it out of the path", APIGatewayV1, "dev", "dev", []string{"path"}, "/a"},
		{"v1 with $default", APIGatewayV1, "$default", "$default", []string{"requestContext", "path"}, "/a"},
		{"v2 has none by default", APIGatewayV2, "", "$default", []string{"rawPath"}, "/a"},
		{"v2 with a named one", APIGatewayV2, "dev", "dev", []string{"rawPath"}, "/dev/a"},
		{"v2 in its context", APIGatewayV2, "dev", "dev", []string{"requestContext", "http", "path"}, "/dev/a"},
		{"function URLs have none", FunctionURL, "dev", "$default", []string{"rawPath"}, "/a"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			s, r := settings(c.kind), bareRequest()
			s.Stage, r.RawPath = c.stage, "/a"
			event := object(t, s, r)
			if found, _ := at(event, "requestContext", "stage"); found != c.stageKey {
				t.Errorf("expected the stage %q, found %v", c.stageKey, found)
			}
			if found, _ := at(event, c.path...); found != c.expected {
				t.Errorf("expected %s = %q, found %v", strings.Join(c.path, "."), c.expected, found)
			}
		})
	}
}

func TestTimesAreUTC(t *testing.T) {
	r := bareRequest()
	r.Time = time.Date(2026, 1, 1, 0, 30, 0, 0, time.FixedZone("", 3600))
	for kind, keys := range map[Kind][]string{
		APIGatewayV1: {"requestTime", "requestTimeEpoch"},
		APIGatewayV2: {"time", "timeEpoch"},
		FunctionURL:  {"time", "timeEpoch"},
	} {
		event := object(t, settings(kind), r)
		if found, _ := at(event, "requestContext", keys[0]); found != "31/Dec/2025:23:30:00 +0000" {
			t.Errorf("%s: expected the time in UTC, found %v", kind, found)
		}
		if found, _ := at(event, "requestContext", keys[1]); found != 1767223800000.0 {
			t.Errorf("%s: expected 1767223800000, found %v", kind, found)
		}
	}
}

func TestMadeUpIDs(t *testing.T) {
	one, other := settings(APIGatewayV2), settings(APIGatewayV2)
	other.FunctionARN += "2"
	if one.apiID() == other.apiID() || len(one.apiID()) != 10 {
		t.Errorf("expected two ids of 10 letters, found %q and %q", one.apiID(), other.apiID())
	}
	one.APIID = "mine"
	if one.domain() != "mine.execute-api.eu-west-1.amazonaws.com" {
		t.Errorf("expected the given id in the domain, found %q", one.domain())
	}
	if id := settings(FunctionURL).apiID(); len(id) != 32 {
		t.Errorf("expected an id of 32 letters, found %q", id)
	}
	if a, b := gatewayID("1"), gatewayID("2"); a == b || len(a) != 16 || a != gatewayID("1") {
		t.Errorf("expected two lasting ids of 16 letters, found %q and %q", a, b)
	}
	odd := settings(ALB)
	odd.FunctionARN = "shop"
	if found := odd.targetGroup(); !strings.Contains(found, ":targetgroup/function/") {
		t.Errorf("expected a name for a function without one, found %q", found)
	}
}

func TestParseKind(t *testing.T) {
	for _, kind := range kinds {
		if found, err := ParseKind(kind.String()); found != kind || err != nil {
			t.Errorf("expected %v, found %v, %v", kind, found, err)
		}
	}
	_, err := ParseKind("apigw")
	if err == nil || err.Error() != `"apigw" is no HTTP event: use one of apigw-v1, apigw-v2, function-url, alb` {
		t.Errorf("expected the valid words, found %v", err)
	}
}

func FuzzEvent(f *testing.F) {
	f.Add("POST", "/a/b%2", "q=%zz&&=&a=b=c", "Content-Type", "text/plain", []byte("body"), "trace")
	f.Add("GET", "*", "", "Cookie", ";;=;a", []byte{0xff, 0}, "")
	f.Add("", "", "?", "X-\xff", "\xfe\x01", []byte("\x00"), "\n")
	f.Add("PUT", "/%ff/%C3", "a=%ff", "content-encoding", "gzip", []byte("é"), "")
	f.Fuzz(func(t *testing.T, method, path, query, name, value string, body []byte, trace string) {
		for _, kind := range kinds {
			s, r := settings(kind), bareRequest()
			s.MultiValue = len(body)%2 == 0
			r.Method, r.RawPath, r.RawQuery, r.Body, r.TraceID = method, path, query, body, trace
			r.Header = append(r.Header, Field{name, value})
			if found := bodyOf(t, object(t, s, r)); found != string(body) {
				t.Errorf("%s: expected the body %q, found %q", kind, body, found)
			}
		}
	})
}
