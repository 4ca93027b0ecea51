package app

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"imagemill/init/internal/engine"
	"imagemill/init/internal/platformlog"
	"imagemill/init/internal/runtimeapi"
	"imagemill/init/internal/wire"
)

// world is an engine with its APIs, in a bubble whose time stands still while
// anybody has something to do. Its runtime is somebody else's: the test.
type world struct {
	t      *testing.T
	engine *engine.Engine
	server *wire.Server
	conns  listener
	log    *output
}

const (
	worldTimeout     = 3 * time.Second
	worldInitTimeout = 10 * time.Second
)

// inWorld runs do in a world of its own. Nothing of it may be left.
func inWorld(t *testing.T, dialect runtimeapi.Dialect, do func(*world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := &world{t: t, log: newOutput(), conns: listener{conns: make(chan net.Conn), closed: make(chan struct{})}}
		place := &engine.Place{API: runtimeapi.NewServer(runtimeapi.Settings{Dialect: dialect}), Address: "world"}
		var ids atomic.Int64
		w.engine = engine.New(engine.Settings{
			FunctionARN: "arn", Timeout: worldTimeout, InitTimeout: worldInitTimeout, Environments: 1, SideBySide: 1,
			Extensions: func() []string { return nil },
			Log:        platformlog.New(w.log, platformlog.Format{}),
			NewID:      func() string { return fmt.Sprintf("00000000-0000-4000-8000-%012d", ids.Add(1)) },
			Debug:      func(string, ...any) {},
		}, place)
		w.server = &wire.Server{HeadPatience: time.Minute, Handler: func(x *wire.Exchange) {
			if !place.Serve(x) {
				runtimeapi.NotFound(x)
			}
		}}
		go func() { _ = w.server.Serve(&w.conns) }()
		defer func() {
			w.engine.Close(0)
			w.server.Close()
			synctest.Wait()
		}()
		do(w)
	})
}

// listener hands connections to a server without a network.
type listener struct {
	conns  chan net.Conn
	closed chan struct{}
	once   atomic.Bool
}

func (l *listener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *listener) Close() error {
	if l.once.CompareAndSwap(false, true) {
		close(l.closed)
	}
	return nil
}

func (l *listener) Addr() net.Addr { return &net.UnixAddr{Name: "world"} }

// request is one to the world's server, whose answer comes when it comes.
type request struct {
	what   string
	conn   net.Conn
	done   chan struct{}
	status int // 0 when there was none
	header http.Header
	body   string
}

func (w *world) send(method, path, body string, header ...string) *request {
	w.t.Helper()
	near, far := net.Pipe()
	r := &request{what: method + " " + path, conn: near, done: make(chan struct{})}
	select {
	case w.conns.conns <- far:
	case <-w.conns.closed:
		w.t.Fatal("the server is closed")
	}
	var text strings.Builder
	fmt.Fprintf(&text, "%s %s HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n", method, path, len(body))
	for n := 0; n < len(header); n += 2 {
		fmt.Fprintf(&text, "%s: %s\r\n", header[n], header[n+1])
	}
	text.WriteString("\r\n" + body)
	go r.run(text.String())
	return r
}

func (r *request) run(text string) {
	defer close(r.done)
	defer func() { _ = r.conn.Close() }()
	if _, err := io.WriteString(r.conn, text); err != nil {
		return
	}
	res, err := http.ReadResponse(bufio.NewReader(r.conn), nil)
	if err != nil {
		return
	}
	body, err := io.ReadAll(res.Body)
	if err != nil {
		return
	}
	r.status, r.header, r.body = res.StatusCode, res.Header, string(body)
}

func (r *request) isDone() bool {
	select {
	case <-r.done:
		return true
	default:
		return false
	}
}

// caller is one invocation, and what came of it.
type caller struct {
	id       string
	arrived  time.Time
	ended    time.Time
	outcomes chan *engine.Outcome
	returned chan struct{}
}

func (w *world) invoke(id string) *caller {
	c := &caller{id: id, arrived: time.Now(), outcomes: make(chan *engine.Outcome, 2), returned: make(chan struct{})}
	go func() {
		defer close(c.returned)
		w.engine.Invoke(&engine.Invocation{RequestID: id, Payload: []byte("payload of " + id)}, func(out *engine.Outcome) {
			c.ended = time.Now()
			c.outcomes <- out
		})
	}()
	return c
}

// checkLines checks that the log tells of an invocation as a whole, or, when
// it was not even begun, not at all.
func (w *world) checkLines(c *caller, out *engine.Outcome) error {
	log := w.log.String()
	counts := [3]int{}
	for i, line := range []string{"START", "END", "REPORT"} {
		counts[i] = strings.Count(log, line+" RequestId: "+c.id+" ") + strings.Count(log, line+" RequestId: "+c.id+"\n") +
			strings.Count(log, line+" RequestId: "+c.id+"\t")
	}
	if counts == [3]int{1, 1, 1} || out.Kind == engine.Unavailable && counts == [3]int{} {
		return nil
	}
	return errors.New(fmt.Sprint("START, END and REPORT of ", c.id, ": ", counts))
}

const (
	runtimePath   = "/2018-06-01/runtime/"
	extensionPath = "/2020-01-01/extension/"
)
