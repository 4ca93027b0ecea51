package wire

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// TestSoak has many callers do all there is to do, for a second.
func TestSoak(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes a second")
	}
	s := serve(t, soaked)
	transport := &http.Transport{MaxIdleConnsPerHost: 64}
	client := &http.Client{Transport: transport, Timeout: patience}
	var calls [len(soakers)]atomic.Int64
	var group sync.WaitGroup
	end := time.Now().Add(time.Second)
	for n := range 64 {
		group.Go(func() {
			dice := rand.New(rand.NewPCG(1, uint64(n)))
			for time.Now().Before(end) && !t.Failed() {
				kind := dice.IntN(len(soakers))
				soakers[kind](t, s, client, dice)
				calls[kind].Add(1)
			}
		})
	}
	group.Wait()
	transport.CloseIdleConnections()
	for kind := range calls {
		if calls[kind].Load() == 0 {
			t.Errorf("caller %d was never called", kind)
		}
	}
	eventually(t, "the end of all connections", func() bool { return s.open() == 0 })
}

// soaked is the handler.
func soaked(x *Exchange) {
	switch {
	case x.Path == "/unread":
		_ = x.Reply(413, nil, nil)
	case x.Path == "/panic":
		panic("as asked")
	case x.Path == "/break":
		stream, err := x.Begin(200, nil)
		if err == nil {
			_ = stream.Write([]byte("half"), patience)
			stream.Break()
		}
	case strings.HasPrefix(x.Path, "/later/"):
		path := x.Path
		x.Defer(func() {})
		go func() { _ = x.Reply(200, nil, []byte(path)) }()
	case x.Path == "/stream":
		stream, err := x.Begin(200, nil)
		if err != nil {
			return
		}
		piece := make([]byte, 1000)
		for {
			n, err := x.Read(piece)
			if stream.Write(piece[:n], patience) != nil || err != nil && err != io.EOF {
				stream.Break()
				return
			}
			if err == io.EOF {
				_ = stream.End()
				return
			}
		}
	default:
		echo(x)
	}
}

// soakers are the callers.
var soakers = [...]func(*testing.T, *testServer, *http.Client, *rand.Rand){
	func(t *testing.T, s *testServer, client *http.Client, dice *rand.Rand) {
		content := bytes.Repeat([]byte{byte(dice.Uint32())}, dice.IntN(20_000))
		var body io.Reader = bytes.NewReader(content)
		if dice.IntN(2) == 0 {
			body = io.MultiReader(body)
		}
		res, err := client.Post("http://"+s.addr+"/stream", "", body)
		if err != nil {
			t.Error(err)
			return
		}
		defer res.Body.Close()
		if found, err := io.ReadAll(res.Body); err != nil || !bytes.Equal(found, content) {
			t.Errorf("%d bytes came back of %d: %v", len(found), len(content), err)
		}
	},
	func(t *testing.T, s *testServer, client *http.Client, dice *rand.Rand) {
		path := fmt.Sprintf("/later/%d", dice.Uint64())
		res, err := client.Get("http://" + s.addr + path)
		if err != nil {
			t.Error(err)
			return
		}
		defer res.Body.Close()
		if found, err := io.ReadAll(res.Body); err != nil || string(found) != path {
			t.Errorf("%s was answered with %q, %v", path, found, err)
		}
	},
	func(t *testing.T, s *testServer, client *http.Client, _ *rand.Rand) {
		for _, path := range []string{"/break", "/panic"} {
			res, err := client.Get("http://" + s.addr + path)
			if err != nil {
				continue
			}
			_, err = io.Copy(io.Discard, res.Body)
			_ = res.Body.Close()
			if res.StatusCode != 500 && err == nil {
				t.Errorf("%s: a whole answer came", path)
			}
		}
	},
	// The next one pipelines, and leaves.
	func(t *testing.T, s *testServer, _ *http.Client, dice *rand.Rand) {
		conn := s.dial(t)
		defer conn.Close()
		count := dice.IntN(9)
		for n := range count {
			conn.say([]string{get(fmt.Sprintf("/later/%d", n)), post(fmt.Sprintf("/later/%d", n), "body")}[n%2])
		}
		for n := range dice.IntN(count + 1) {
			if a, err := conn.next("GET"); err != nil || a.body != fmt.Sprintf("/later/%d", n) {
				t.Errorf("answer %d is %q, %v", n, a.body, err)
				return
			}
		}
	},
	func(t *testing.T, s *testServer, _ *http.Client, dice *rand.Rand) {
		conn := s.dial(t)
		defer conn.Close()
		for range dice.IntN(5) {
			conn.say(post("/unread", strings.Repeat("x", dice.IntN(9000))))
			if a, err := conn.next("POST"); err != nil || a.StatusCode != 413 {
				t.Errorf("an unread body: %v", err)
				return
			}
		}
		conn.say("GET / HTTP/1.0\r\n\r\n")
		if a, err := conn.next("GET"); err != nil || a.body != "/ " || !conn.ended() {
			t.Errorf("1.0: %q, %v", a.body, err)
		}
	},
}
