package wire

import (
	"errors"
	"io"
	"net"
	"os"
	"runtime/debug"
	"sync/atomic"
	"time"
)

// What a connection is doing.
const (
	idle     int32 = iota // no request has begun
	busy                  // one is being read or answered
	deferred              // one is to be answered later
	over
)

const (
	// keptFields is for how many fields memory is kept between requests.
	keptFields = 64
	// maxAhead is how much of the next request is taken before its turn.
	maxAhead = 64 << 10
)

// longAgo is a deadline that ends a read at once.
var longAgo = time.Unix(1, 0)

// discardLimit is how much of a body that nobody wants is still read, so that
// its sender gets to read the answer.
const discardLimit = 64 << 20

// conn is one connection.
type conn struct {
	server *Server
	net    net.Conn
	in     *input
	tag    any
	state  atomic.Int32
	fields Header
	remote string

	// out is memory for answers, and writeBy the deadline that is set for
	// them: both belong to the exchange at hand.
	out     []byte
	writeBy time.Time
	// hurried: another deadline than writeBy is set.
	hurried atomic.Bool
}

func (c *conn) run() {
	defer c.server.forget(c)
	for c.next() {
	}
}

// next serves one request; false when it was the last.
func (c *conn) next() bool {
	if c.in.buffered() == 0 {
		if c.in.fill() != nil {
			return false
		}
	}
	if !c.state.CompareAndSwap(idle, busy) {
		return false
	}
	text, err := c.in.head(c.server.HeadPatience)
	if err != nil {
		c.refuse(err)
		return false
	}
	h, err := parseHead(text, c.fields[:0])
	if err != nil {
		c.refuse(err)
		return false
	}
	if c.fields = nil; len(text) <= firstBuffer && cap(h.header) <= keptFields {
		c.fields = h.header
	}
	x := c.exchange(&h)
	if !c.handle(x) || !c.settle(x) {
		return false
	}
	if x.close || c.server.draining.Load() {
		if c.in.buffered() == 0 {
			// The answer is safe: nobody need wait for the caller to leave.
			c.state.Store(over)
		}
		c.linger()
		return false
	}
	c.state.Store(idle)
	// Whoever began to drain between the two saw a busy connection.
	return !c.server.draining.Load()
}

// handle has the request answered. A fault in that is the request's end, not
// the program's.
func (c *conn) handle(x *Exchange) (ok bool) {
	defer func() {
		if fault := recover(); fault != nil {
			c.server.debug("a request failed: %v\n%s", fault, debug.Stack())
			if x.fault() {
				c.linger()
			}
			ok = false
		}
	}()
	c.server.Handler(x)
	return true
}

// settle waits for a deferred answer, and leaves nothing of the request
// unread.
func (c *conn) settle(x *Exchange) bool {
	if !x.over() && !c.await(x) {
		return false
	}
	if x.isBroken() {
		return false
	}
	if x.body.done {
		return true
	}
	_ = c.net.SetReadDeadline(after(c.server.HeadPatience))
	if !x.body.discard(discardLimit) {
		c.linger()
		return false
	}
	return c.net.SetReadDeadline(time.Time{}) == nil
}

// await waits for a deferred answer while it watches for a caller that hangs
// up. What comes in that time is the next request, which has to wait for its
// turn.
func (c *conn) await(x *Exchange) bool {
	for x.watch(c.in.buffered() > 0) && c.in.buffered() < maxAhead {
		if err := c.in.fill(); err != nil {
			if !errors.Is(err, os.ErrDeadlineExceeded) && x.hangUp() {
				return false
			}
			break
		}
	}
	<-x.done
	if !x.watched {
		return true
	}
	if x.roused && c.net.SetReadDeadline(time.Time{}) != nil {
		return false
	}
	// An answered connection may be idle, and then be sent away.
	return c.state.CompareAndSwap(deferred, busy) || c.state.CompareAndSwap(idle, busy)
}

// refuse answers what could not be understood.
func (c *conn) refuse(err error) {
	var refused *refusal
	if !errors.As(err, &refused) {
		return
	}
	x := &Exchange{conn: c, minor: '1', close: true, done: make(chan struct{})}
	x.body.done = true
	_ = x.Reply(refused.status, Header{{"Content-Type", "text/plain; charset=utf-8"}}, []byte(refused.reason+"\n"))
	c.linger()
}

// lingering is how long a caller that is still sending may take to read its
// answer: to close at once could take that from it.
const lingering = 500 * time.Millisecond

func (c *conn) linger() {
	half, ok := c.net.(interface{ CloseWrite() error })
	if !ok || half.CloseWrite() != nil {
		return
	}
	if c.net.SetReadDeadline(time.Now().Add(lingering)) == nil {
		_, _ = io.Copy(io.Discard, c.net)
	}
}
