package telemetry

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
)

// fault is a subscriber that does something wrong with a connection.
type fault func(conn net.Conn)

// serve lets connections have faults, in turn, and then serves as r would.
func (r *receiver) serve(faults ...fault) Destination {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		r.t.Fatal(err)
	}
	rest := make(chan net.Conn)
	server := &http.Server{Handler: r}
	go func() { _ = server.Serve(&given{listener.Addr(), rest}) }()
	done := make(chan struct{})
	go func() {
		defer close(done)
		for n := 0; ; n++ {
			conn, err := listener.Accept()
			if err != nil {
				close(rest)
				return
			}
			if n < len(faults) {
				faults[n](conn)
				continue
			}
			rest <- conn
		}
	}()
	r.t.Cleanup(func() {
		_ = listener.Close()
		<-done
		_ = server.Close()
	})
	return Destination{"HTTP", listener.Addr().String(), "sandbox:1", "/"}
}

// given is a listener of connections that somebody else has accepted.
type given struct {
	address net.Addr
	conns   chan net.Conn
}

func (g *given) Accept() (net.Conn, error) {
	if conn, ok := <-g.conns; ok {
		return conn, nil
	}
	return nil, net.ErrClosed
}

func (g *given) Close() error   { return nil }
func (g *given) Addr() net.Addr { return g.address }

// says answers a request with text, and closes the connection.
func says(text string) fault {
	return func(conn net.Conn) {
		defer conn.Close()
		if request, err := http.ReadRequest(bufio.NewReader(conn)); err == nil {
			_, _ = io.Copy(io.Discard, request.Body)
		}
		_, _ = io.WriteString(conn, text)
	}
}

func closes(conn net.Conn) { _ = conn.Close() }

func closesInTheMiddle(conn net.Conn) {
	_, _ = conn.Read(make([]byte, 20))
	_ = conn.Close()
}

// TestRetries: a subscriber that has failed gets the batch again, and nothing
// is lost or comes out of order.
func TestRetries(t *testing.T) {
	cases := []struct {
		name   string
		faults []fault
		debug  string
	}{
		{"closes at once", []fault{closes}, "trying again"},
		{"closes in the middle", []fault{closesInTheMiddle}, "trying again"},
		{"closes twice", []fault{closes, closesInTheMiddle}, "trying again"},
		{"says nothing", []fault{says("")}, "does not answer"},
		{"answers 500", []fault{says("HTTP/1.1 500 No\r\nContent-Length: 2\r\n\r\nno")}, "status 500"},
		{"redirects", []fault{says("HTTP/1.1 302 There\r\nLocation: /there\r\n\r\n")}, "status 302"},
		{"sends garbage", []fault{says("220 mail.example ESMTP\r\n\r\n")}, "no HTTP"},
		{"sends half a head", []fault{says("HTTP/1.1 200 OK\r\nContent-Le")}, "does not answer"},
		{"sends an endless line", []fault{says("HTTP/1.1 200 " + strings.Repeat("O", 10000))}, "no HTTP"},
		{"sends endless fields", []fault{says("HTTP/1.1 200 OK\r\n" + strings.Repeat("A: b\r\n", 1000) + "\r\n")}, "no HTTP"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			b, debug := newBus(t)
			r := newReceiver(t)
			if err := b.Subscribe("e", subscriptionTo(r.serve(c.faults...), Platform)); err != nil {
				t.Fatal(err)
			}
			b.Publish(number(1))
			b.Publish(number(2))
			r.expect("1", "2")
			b.Publish(number(3))
			r.expect("3")
			if !strings.Contains(debug.String(), c.debug) {
				t.Errorf("the debug lines have no %q: %s", c.debug, debug)
			}
		})
	}
}

// TestAnswersThatAreFine need no second try.
func TestAnswersThatAreFine(t *testing.T) {
	cases := []struct{ name, text string }{
		{"nothing in it", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"},
		{"202", "HTTP/1.1 202\r\nContent-Length: 0\r\n\r\n"},
		{"204", "HTTP/1.1 204 No Content\r\n\r\n"},
		{"HTTP/1.0", "HTTP/1.0 200 OK\r\n\r\nok"},
		{"after 100", "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length:2\r\n\r\nok"},
		{"chunks", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"},
		{"line ends of UNIX", "HTTP/1.1 200 OK\nContent-Length: 2\n\nok"},
		{"long body", "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n" + strings.Repeat("x", 1000)},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			b, debug := newBus(t)
			r := newReceiver(t)
			if err := b.Subscribe("e", subscriptionTo(r.serve(says(c.text)), Platform)); err != nil {
				t.Fatal(err)
			}
			b.Publish(number(1))
			b.Flush(soon())
			b.Publish(number(2))
			r.expect("2")
			if debug.String() != "" {
				t.Errorf("debug lines: %s", debug)
			}
		})
	}
}
