package wire

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
)

// laxities are where this package takes what net/http does not, and why.
var laxities = []struct {
	name, reason string
	is           func(mine *ours, err error) bool
}{
	{
		"a target that is no URI", "paths are handed on as they came: what is no escape is the handler's to judge",
		func(_ *ours, err error) bool {
			var fault *url.Error
			return errors.As(err, &fault)
		},
	},
	{
		"an announced trailer that may not be one", "trailers never frame anything here, and are kept apart from the header",
		func(_ *ours, err error) bool { return strings.Contains(err.Error(), "bad trailer key") },
	},
	{
		"a blank before a chunk's extension", "the grammar has it",
		func(mine *ours, err error) bool {
			return mine.length < 0 && strings.Contains(err.Error(), "invalid byte in chunk length")
		},
	},
}

// hidden are fields that net/http keeps elsewhere, or changes.
var hidden = []string{"Host", "Transfer-Encoding", "Trailer", "Content-Length", "Pragma", "Cache-Control"}

// differ is in what two parsers differ over a request that both have taken.
func differ(mine *ours, other *theirs) error {
	version := "HTTP/1." + string(rune(mine.minor))
	switch {
	case mine.method != other.Method || mine.target != other.RequestURI || version != other.Proto:
		return fmt.Errorf("request line %q %q %q, net/http has %q %q %q",
			mine.method, mine.target, version, other.Method, other.RequestURI, other.Proto)
	case mine.length != other.ContentLength:
		return fmt.Errorf("length %d, net/http has %d", mine.length, other.ContentLength)
	case mine.close != other.Close:
		return fmt.Errorf("close %v, net/http has %v", mine.close, other.Close)
	}
	return sameFields(mine.header, other.Header)
}

// dropNil takes out the trailers that were announced but did not come.
func dropNil(h http.Header) http.Header {
	kept := http.Header{}
	for name, values := range h {
		if values != nil {
			kept[name] = values
		}
	}
	return kept
}

func sameFields(mine Header, other http.Header) error {
	fields := http.Header{}
	for _, f := range mine {
		fields.Add(f.Name, f.Value)
	}
	names := map[string]bool{}
	for _, side := range []http.Header{fields, other} {
		for name := range side {
			names[name] = !slices.Contains(hidden, name)
		}
	}
	for name, compared := range names {
		if compared && !slices.Equal(fields[name], other[name]) {
			return fmt.Errorf("%s is %.99q, net/http has %.99q", name, fields[name], other[name])
		}
	}
	return nil
}

// requests are seeds, each of which both parsers take.
var requests = map[string]string{
	"plain":            "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
	"bare line feeds":  "GET /a?b=c HTTP/1.1\nHost: a\nX-Y: z\n\n",
	"version 1.0":      "GET / HTTP/1.0\r\n\r\n",
	"kept 1.0":         "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
	"both wishes":      "GET / HTTP/1.0\r\nConnection: close\r\nConnection: keep-alive\r\n\r\n",
	"close among many": "GET / HTTP/1.1\r\nConnection: x, CLOSE\r\n\r\n",
	"absolute form":    "GET http://a.b:80/c?d HTTP/1.1\r\nHost: e\r\n\r\n",
	"asterisk":         "OPTIONS * HTTP/1.1\r\n\r\n",
	"sized":            "POST /f HTTP/1.1\r\nContent-Length: 5\r\n\r\nhelloGET / HTTP/1.1\r\n\r\n",
	"sized twice":      "POST /f HTTP/1.1\r\nContent-Length: 2\r\ncontent-length: 2\r\n\r\nhello",
	"chunked":          "POST /f HTTP/1.1\r\nTransfer-Encoding: Chunked\r\n\r\n5\r\nhello\r\n00A;x=y\r\n0123456789\r\n0\r\n\r\nrest",
	"trailer":          "POST / HTTP/1.1\r\nTrailer: A, B\r\nTransfer-Encoding: chunked\r\n\r\n1 \r\nx\r\n0\r\nA: 1\r\nC: \t2 \r\n\r\n",
	"odd values":       "GET / HTTP/1.1\r\nA:\r\nB: \t \r\nC: \xff\t:x\r\nC:d\r\n\r\n",
	"expectation":      "PUT / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\nx",
	"cut body":         "PUT / HTTP/1.1\r\nContent-Length: 9\r\n\r\nx",
	"upgrade":          "GET / HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n",
}

func TestOracleTakesTheSeeds(t *testing.T) {
	for name, raw := range requests {
		t.Run(name, func(t *testing.T) {
			mine, err := parseOurs([]byte(raw), nil)
			if err != nil {
				t.Fatal(err)
			}
			other, err := parseTheirs([]byte(raw))
			if err != nil {
				t.Fatal(err)
			}
			if err := differ(&mine, &other); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestLaxities sees to it that no reason is listed in vain.
func TestLaxities(t *testing.T) {
	for name, raw := range map[string]string{
		"a target that is no URI":                  "GET /%zz HTTP/1.1\r\n\r\n",
		"an announced trailer that may not be one": "GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nTrailer: Content-Length\r\n\r\n0\r\n\r\n",
		"a blank before a chunk's extension":       "GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1 ;a\r\nx\r\n0\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			mine, err := parseOurs([]byte(raw), nil)
			if err = errors.Join(err, mine.bodyErr); err != nil {
				t.Fatal(err)
			}
			other, err := parseTheirs([]byte(raw))
			if err = errors.Join(err, other.bodyErr); err == nil {
				t.Fatal("net/http takes it, too")
			}
			if found := laxity(&mine, err); found != name {
				t.Errorf("it is %q: %v", found, err)
			}
		})
	}
}

func laxity(mine *ours, err error) string {
	for _, l := range laxities {
		if l.is(mine, err) {
			return l.name
		}
	}
	return ""
}

// FuzzHead holds this package's parser against net/http's.
func FuzzHead(f *testing.F) {
	for _, raw := range requests {
		f.Add([]byte(raw), []byte{0})
		f.Add([]byte(raw), []byte{6, 0, 40})
	}
	for _, c := range suspects {
		f.Add([]byte(c.raw), []byte(nil))
	}
	f.Fuzz(func(t *testing.T, raw, cuts []byte) {
		mine, err := parseOurs(raw, cuts)
		if err != nil {
			return
		}
		// Empty lines before a request are skipped, as the standard asks.
		other, err := parseTheirs(bytes.TrimLeft(raw, "\r\n"))
		if err != nil {
			if laxity(&mine, err) == "" {
				t.Fatalf("net/http refuses what was taken: %v", err)
			}
			return
		}
		if err := differ(&mine, &other); err != nil {
			t.Fatal(err)
		}
		if mine.bodyErr != nil {
			return
		}
		if other.bodyErr != nil {
			if laxity(&mine, other.bodyErr) == "" {
				t.Fatalf("net/http refuses the body that was taken: %v", other.bodyErr)
			}
			return
		}
		if mine.body != other.body || mine.rest != other.rest {
			t.Fatalf("body %.99q and %d bytes behind it, net/http has %.99q and %d", mine.body, mine.rest, other.body, other.rest)
		}
		if err := sameFields(mine.trailer, dropNil(other.Trailer)); err != nil {
			t.Fatalf("trailer: %v", err)
		}
	})
}
