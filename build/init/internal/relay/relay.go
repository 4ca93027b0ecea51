// Package relay is a streamed answer between two sides: the runtime's writes
// it, and the caller's ends it, whenever the invocation ends.
package relay

import (
	"sync"
	"sync/atomic"
	"time"

	"imagemill/init/internal/wire"
)

const (
	// pieceTimeout is how long a caller may take to accept a piece.
	pieceTimeout = time.Minute
	// lastTimeout is how long it may when the invocation is over.
	lastTimeout = 2 * time.Second
)

// Relay is one such answer. What a caller that has gone does not take is let
// go: the function is not kept from its work.
type Relay struct {
	exchange *wire.Exchange

	// stream is set once, and read without the lock by who is in a hurry.
	stream atomic.Pointer[wire.Stream]

	mu   sync.Mutex
	over bool
}

// New returns the Relay of a request's answer.
func New(x *wire.Exchange) *Relay { return &Relay{exchange: x} }

// Begun is whether the head has been sent.
func (r *Relay) Begun() bool { return r.stream.Load() != nil }

// Begin sends the head, once.
func (r *Relay) Begin(status int, header wire.Header) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.over || r.Begun() {
		return
	}
	stream, err := r.exchange.Begin(status, header)
	r.stream.Store(stream)
	r.over = err != nil
}

// Write sends a piece of an answer that has begun.
func (r *Relay) Write(piece []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if stream := r.stream.Load(); stream != nil && !r.over {
		r.over = stream.Write(piece, pieceTimeout) != nil
	}
}

// End sends the last piece and the end. An answer that broke off ends so that
// its reader cannot take it for whole.
func (r *Relay) End(last []byte, whole bool) error {
	if !r.mu.TryLock() {
		// The runtime's side waits for a caller that does not read.
		if stream := r.stream.Load(); stream != nil {
			stream.Hurry(lastTimeout)
		}
		r.mu.Lock()
	}
	defer r.mu.Unlock()
	gone := r.over
	r.over = true
	stream := r.stream.Load()
	if stream == nil {
		return wire.ErrGone
	}
	if gone || !whole {
		stream.Break()
		return wire.ErrGone
	}
	if err := stream.Write(last, lastTimeout); err != nil {
		stream.Break()
		return err
	}
	return stream.End()
}
