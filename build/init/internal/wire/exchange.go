package wire

import (
	"errors"
	"net"
	"strconv"
	"sync"
	"time"
)

// ErrGone is an answer that could not be given, as the caller has gone or has
// had one.
var ErrGone = errors.New("the caller has gone")

// replyTimeout bounds the writing of an answer that sets no other limit.
const replyTimeout = 5 * time.Minute

// Exchange is one request and its answer.
type Exchange struct {
	Method string
	// Path is as it was sent, escapes included; Query has no question mark.
	Path, Query string
	// Header is good until the handler returns.
	Header Header
	// Length is the body's, -1 when it comes in chunks.
	Length int64
	// Tag is what Server.Accepted gave the connection.
	Tag any

	conn  *conn
	body  body
	minor byte
	close bool // the connection ends with this exchange

	mu      sync.Mutex
	replied bool // an answer has begun
	broken  bool // nothing more can be written
	onGone  func()
	// watched: the connection's goroutine waits for the caller to hang up.
	// rouse: it must be told of the answer, as it holds the next request.
	// roused: it has been, by a read deadline that has passed.
	watched, rouse, roused bool

	finished bool
	done     chan struct{} // closed when the answer is over
}

func (c *conn) exchange(h *head) *Exchange {
	x := &Exchange{
		Method: h.method,
		Header: h.header,
		Length: h.length,
		Tag:    c.tag,
		conn:   c,
		minor:  h.minor,
		close:  h.close,
		done:   make(chan struct{}),
	}
	x.Path, x.Query = splitTarget(h.target)
	x.body = newBody(c.in, h, x.goOn)
	return x
}

// goOn has the caller send the body, unless it has had its answer.
func (x *Exchange) goOn() error {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.replied || x.broken {
		return ErrGone
	}
	if err := x.conn.allow(replyTimeout); err != nil {
		return err
	}
	_, err := x.conn.net.Write([]byte("HTTP/1.1 100 Continue\r\n\r\n"))
	return err
}

// Proto is the request's version: HTTP/1.0 or HTTP/1.1.
func (x *Exchange) Proto() string { return "HTTP/1." + string(rune(x.minor)) }

// Remote is the caller's address, without its port.
func (x *Exchange) Remote() string {
	c := x.conn
	if c.remote == "" {
		c.remote = c.net.RemoteAddr().String()
		if host, _, err := net.SplitHostPort(c.remote); err == nil {
			c.remote = host
		}
	}
	return c.remote
}

// ReadAll reads the body, of at most limit bytes; 0 is no limit. patience,
// unless 0, bounds the wait for it.
func (x *Exchange) ReadAll(limit int64, patience time.Duration) ([]byte, error) {
	if patience == 0 || x.body.done || x.Length > 0 && int64(x.conn.in.buffered()) >= x.Length {
		return x.body.all(limit)
	}
	if err := x.conn.net.SetReadDeadline(after(patience)); err != nil {
		return nil, err
	}
	data, err := x.body.all(limit)
	return data, errors.Join(err, x.conn.net.SetReadDeadline(time.Time{}))
}

// Read reads the body as it comes.
func (x *Exchange) Read(p []byte) (int, error) { return x.body.Read(p) }

// Trailer are the fields behind a body that came in chunks; only after
// io.EOF.
func (x *Exchange) Trailer() Header { return x.body.trailer }

// Defer says that the answer comes later, from anywhere. gone is called if
// the caller hangs up before that; to end its side of the connection is to
// hang up, too. The body must have been read.
func (x *Exchange) Defer(gone func()) {
	x.mu.Lock()
	x.onGone = gone
	x.mu.Unlock()
}

// over is whether the answer has been given, or never will be.
func (x *Exchange) over() bool {
	select {
	case <-x.done:
		return true
	default:
		return false
	}
}

// watch says that the connection's goroutine is about to wait for the caller
// to hang up; false when the answer is over. ahead: there is another request.
func (x *Exchange) watch(ahead bool) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.finished {
		return false
	}
	x.watched, x.rouse = true, ahead
	x.conn.state.Store(deferred)
	return true
}

// finish says that the answer is over, to a goroutine that may wait for that.
// The lock is held.
func (x *Exchange) finish() {
	if x.finished {
		return
	}
	x.finished = true
	defer close(x.done)
	if !x.watched {
		return
	}
	c := x.conn
	if !x.rouse {
		c.state.CompareAndSwap(deferred, idle)
	}
	if x.rouse || x.close || c.server.draining.Load() {
		x.roused = true
		_ = c.net.SetReadDeadline(longAgo)
	}
}

// cut ends the connection: part of an answer cannot be made good. The lock is
// held.
func (x *Exchange) cut() {
	x.broken = true
	_ = x.conn.net.Close()
	x.finish()
}

// fault answers for a handler that failed; false when part of an answer has
// been sent.
func (x *Exchange) fault() bool {
	x.mu.Lock()
	x.close = true
	x.mu.Unlock()
	_ = x.Reply(500, nil, nil)
	if x.over() {
		return true
	}
	(&Stream{x: x}).Break()
	return false
}

func (x *Exchange) isBroken() bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.broken
}

// hangUp says that the caller has gone; false when it had its answer before.
func (x *Exchange) hangUp() bool {
	x.mu.Lock()
	if x.finished {
		x.mu.Unlock()
		return false
	}
	gone := x.onGone
	if x.replied {
		gone = nil
	}
	x.cut()
	x.mu.Unlock()
	if gone != nil {
		gone()
	}
	return true
}

// Reply answers, within replyTimeout.
func (x *Exchange) Reply(status int, header Header, body []byte) error {
	return x.ReplyWithin(replyTimeout, status, header, body)
}

// inOneWrite is the size up to which a body is copied behind its head.
const inOneWrite = 16 << 10

// ReplyWithin answers; a caller that does not take it in time is cut off.
func (x *Exchange) ReplyWithin(limit time.Duration, status int, header Header, body []byte) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.replied || x.broken {
		return ErrGone
	}
	x.replied = true
	status = final(status)
	defer x.finish()
	out := x.appendHead(x.conn.out[:0], status, header)
	if !bodiless(status) {
		out = append(out, "Content-Length: "...)
		out = strconv.AppendInt(out, int64(len(body)), 10)
		out = append(out, "\r\n"...)
	}
	out = append(out, "\r\n"...)
	if x.Method == "HEAD" || bodiless(status) {
		body = nil
	}
	return x.write(limit, out, body)
}

// write sends a head and what follows it. The lock is held.
func (x *Exchange) write(limit time.Duration, out, body []byte) error {
	c := x.conn
	if err := c.allow(limit); err != nil {
		x.cut()
		return err
	}
	var err error
	if len(body) <= inOneWrite {
		out = append(out, body...)
		_, err = c.net.Write(out)
	} else {
		pieces := net.Buffers{out, body}
		_, err = pieces.WriteTo(c.net)
	}
	if c.out = out[:0]; cap(out) > 2*inOneWrite {
		c.out = nil
	}
	if err != nil {
		x.cut()
	}
	return err
}

// allow gives writes until limit from now, and up to twice that: to set a
// deadline costs, and is spared while the last one is far enough.
func (c *conn) allow(limit time.Duration) error {
	now := time.Now()
	hurried := c.hurried.Swap(false)
	if left := c.writeBy.Sub(now); !hurried && left >= limit && left <= 2*limit {
		return nil
	}
	c.writeBy = now.Add(2 * limit)
	return c.net.SetWriteDeadline(c.writeBy)
}
