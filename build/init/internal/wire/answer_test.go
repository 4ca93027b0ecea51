package wire

import (
	"net/http"
	"strings"
	"testing"
	"time"
)

// TestAnswerSplitting gives fields as functions might, that are up to no good.
func TestAnswerSplitting(t *testing.T) {
	for name, c := range map[string]struct {
		given    Header
		expected http.Header
	}{
		"plain":                   {Header{{"A", "b"}, {"A", "c"}}, http.Header{"A": {"b", "c"}}},
		"line ends in a value":    {Header{{"A", "b\r\nC: d\r\n\r\nHTTP/1.1 200 OK\r\n\r\n"}}, http.Header{"A": {"bC: dHTTP/1.1 200 OK"}}},
		"bare ends in a value":    {Header{{"A", "b\nC: d"}, {"E", "f\rG: h"}}, http.Header{"A": {"bC: d"}, "E": {"fG: h"}}},
		"other controls":          {Header{{"A", "\x00b\x7f\x1bc\td"}}, http.Header{"A": {"bc\td"}}},
		"beyond ASCII":            {Header{{"A", "\u010d\xff"}}, http.Header{"A": {"\u010d\xff"}}},
		"line ends in a name":     {Header{{"A: b\r\nC", "d"}, {"E", "f"}}, http.Header{"E": {"f"}}},
		"colon in a name":         {Header{{"A:", "b"}}, http.Header{}},
		"blank in a name":         {Header{{"Content-Length ", "9"}, {" A", "b"}}, http.Header{}},
		"no name":                 {Header{{"", "b"}}, http.Header{}},
		"name beyond ASCII":       {Header{{"\u010d", "b"}}, http.Header{}},
		"a length of its own":     {Header{{"content-length", "99"}}, http.Header{}},
		"a framing of its own":    {Header{{"TRANSFER-ENCODING", "chunked"}}, http.Header{}},
		"a connection of its own": {Header{{"Connection", "upgrade"}, {"Connection", "keep-alive"}}, http.Header{}},
		"a date of its own":       {Header{{"date", "today"}}, http.Header{}},
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t, &Server{Date: true, Handler: func(x *Exchange) { _ = x.Reply(200, c.given, []byte("body")) }})
			conn := s.dial(t)
			for range 2 {
				a := conn.ask(get("/"))
				if a.body != "body" || len(a.Header["Date"]) != 1 || a.Close {
					t.Fatalf("the answer is %q %v", a.body, a.Header)
				}
				a.Header.Del("Date")
				a.Header.Del("Content-Length")
				if len(a.Header) != len(c.expected) {
					t.Errorf("the header is %q", a.Header)
				}
				for name, values := range c.expected {
					if strings.Join(a.Header[name], "|") != strings.Join(values, "|") {
						t.Errorf("%s is %q", name, a.Header[name])
					}
				}
			}
		})
	}
}

func TestDate(t *testing.T) {
	at := time.Date(2024, 2, 29, 23, 59, 59, 999, time.FixedZone("", 3600))
	for _, c := range []struct {
		after    time.Duration
		expected string
	}{
		{0, "Thu, 29 Feb 2024 22:59:59 GMT"},
		{999 * time.Millisecond, "Thu, 29 Feb 2024 22:59:59 GMT"},
		{time.Second, "Thu, 29 Feb 2024 23:00:00 GMT"},
		{0, "Thu, 29 Feb 2024 22:59:59 GMT"},
		{24 * time.Hour, "Fri, 01 Mar 2024 22:59:59 GMT"},
	} {
		if found := date(at.Add(c.after)); found != c.expected {
			t.Errorf("%v later it is %q", c.after, found)
		}
	}
	s := start(t, &Server{Date: true, Handler: echo})
	a := s.dial(t).ask(get("/"))
	if sent, err := http.ParseTime(a.Header.Get("Date")); err != nil || time.Since(sent).Abs() > time.Minute {
		t.Errorf("the date is %q, %v", a.Header.Get("Date"), err)
	}
	if a := serve(t, echo).dial(t).ask(get("/")); a.Header.Get("Date") != "" {
		t.Error("a server that was not asked for it gives a date")
	}
}

func TestStatusText(t *testing.T) {
	for status, text := range statusText {
		if official := http.StatusText(status); !strings.EqualFold(official, text) {
			t.Errorf("%d is %q, net/http has %q", status, text, official)
		}
	}
	s := serve(t, func(x *Exchange) { _ = x.Reply(299, nil, nil) })
	if a := s.dial(t).ask(get("/")); a.Status != "299 " {
		t.Errorf("the status is %q", a.Status)
	}
}

func TestSplitTarget(t *testing.T) {
	for target, expected := range map[string][2]string{
		"/":                       {"/", ""},
		"/a%2Fb?c=d?e":            {"/a%2Fb", "c=d?e"},
		"//a/b":                   {"//a/b", ""},
		"/?":                      {"/", ""},
		"/a?b=http://c/d":         {"/a", "b=http://c/d"},
		"*":                       {"*", ""},
		"http://a":                {"/", ""},
		"http://a?b":              {"/", "b"},
		"http://a:80/b?c":         {"/b", "c"},
		"HTTPS://a/b?c=http://d/": {"/b", "c=http://d/"},
	} {
		if path, query := splitTarget(target); path != expected[0] || query != expected[1] || !isTarget(target) {
			t.Errorf("%q is %q and %q", target, path, query)
		}
	}
}

func TestHeader(t *testing.T) {
	h := Header{{"A-b", "1"}, {"a-B", "2"}, {"C", "3"}}
	for name, expected := range map[string]string{"A-B": "1", "c": "3", "D": "", "": ""} {
		if found := h.Get(name); found != expected {
			t.Errorf("%q is %q", name, found)
		}
	}
	for list, expected := range map[string]bool{
		"close": true, " CLOSE ": true, "a, close": true, "a,close\t,b": true, ",,close": true,
		"": false, "closed": false, "a close": false, "close;": false, "-close": false,
	} {
		if HasToken(list, "close") != expected {
			t.Errorf("%q has the word: %v", list, !expected)
		}
	}
	for pair, expected := range map[[2]string]bool{
		{"", ""}: true, {"aZ-@", "Az-@"}: true, {"[", "{"}: false, {"@", "`"}: false, {"k", "\u212A"}: false, {"a", "ab"}: false,
	} {
		if EqualFold(pair[0], pair[1]) != expected {
			t.Errorf("%q are equal: %v", pair, !expected)
		}
	}
}
