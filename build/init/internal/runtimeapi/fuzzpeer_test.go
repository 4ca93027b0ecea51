package runtimeapi

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"strings"
	"time"
)

// peer is a connection of the runtime's.
type peer struct {
	conn net.Conn
	r    *bufio.Reader
}

func (p *player) connect() *peer {
	conn, err := net.Dial("tcp", strings.TrimPrefix(p.URL, "http://"))
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	return &peer{conn, bufio.NewReader(conn)}
}

// send sends a request whole; broken ends the connection's sending side in
// the middle.
func (p *player) send(request string, broken bool) (int, http.Header, string) {
	if p.main == nil {
		p.main = p.connect()
	}
	peer := p.main
	if _, err := io.WriteString(peer.conn, request); err != nil {
		p.t.Fatal(err)
	}
	if broken {
		p.main = nil
		_ = peer.conn.(*net.TCPConn).CloseWrite()
	}
	return p.read(peer)
}

func (p *player) read(peer *peer) (int, http.Header, string) {
	res, err := http.ReadResponse(peer.r, nil)
	if err != nil {
		p.t.Fatalf("in state %s: %v", p.m.state, err)
	}
	body, err := io.ReadAll(res.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	if res.Close && peer == p.main {
		p.main = nil
	}
	return res.StatusCode, res.Header, string(body)
}

// check compares an answer with what it must be.
func (p *player) check(what string, status int, body string, expected int, part string) {
	p.t.Helper()
	if status != expected || !strings.Contains(body, part) {
		p.t.Fatalf("%s in state %s: expected %d %q, found %d %q", what, p.m.state, expected, part, status, body)
	}
}

func (p *player) checkRefused(what string, status int, body, refusal string) {
	p.t.Helper()
	if p.m.dialect == Emulator {
		refusal = "Error: State transition is not allowed"
	}
	p.check(what, status, body, 403, `{"errorType":"InvalidStateTransition"`)
	p.check(what, status, body, 403, refusal)
}
