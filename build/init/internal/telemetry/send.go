package telemetry

import (
	"context"
	"time"
)

// patience is how long the delivery of a batch is tried for.
type patience struct {
	// dial bounds a connection, answer the sending and what comes back.
	dial, answer time.Duration
	// pauses are those before another try; there are as many tries more.
	pauses []time.Duration
}

// keptBody is how much memory for batches is kept between them.
const keptBody = 64 << 10

// An extension that has just subscribed may not listen yet.
var standardPatience = patience{
	dial:   time.Second,
	answer: 3 * time.Second,
	pauses: []time.Duration{25 * time.Millisecond, 100 * time.Millisecond, 400 * time.Millisecond},
}

// send delivers a batch. It tries again what fails, so that a subscriber may
// get a batch twice that it has not acknowledged.
func (s *subscriber) send(batch []entry) error {
	for try := 0; ; try++ {
		err := s.try(batch)
		if err == nil {
			return nil
		}
		if try == len(s.patience.pauses) {
			return err
		}
		s.debug("telemetry: extension %s: %v; trying again", s.name, err)
		if !s.pause(s.patience.pauses[try]) {
			return s.ctx.Err()
		}
	}
}

// try sends once. It ends early when the subscription ends or gets another
// destination.
func (s *subscriber) try(batch []entry) error {
	ctx, cancel := context.WithCancel(s.ctx)
	defer cancel()
	s.mu.Lock()
	to := s.asked.Destination
	s.abandon = cancel
	s.mu.Unlock()
	s.body = appendBatch(s.body[:0], batch, to.Protocol)
	err := s.link.send(ctx, to, s.body, s.patience)
	if cap(s.body) > keptBody {
		s.body = nil
	}
	return err
}

// pause waits; false when the subscription has ended.
func (s *subscriber) pause(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-s.ctx.Done():
		return false
	}
}

// appendBatch appends events as an array for HTTP, and else line by line.
func appendBatch(out []byte, batch []entry, protocol string) []byte {
	if protocol == tcpProtocol {
		for _, e := range batch {
			out = append(out, e.data...)
			out = append(out, '\n')
		}
		return out
	}
	out = append(out, '[')
	for i, e := range batch {
		if i > 0 {
			out = append(out, ',')
		}
		out = append(out, e.data...)
	}
	return append(out, ']')
}
