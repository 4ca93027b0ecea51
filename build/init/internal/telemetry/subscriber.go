package telemetry

import (
	"context"
	"sync"
	"time"
)

// subscriber is an extension that gets events: they queue up here, and its own
// goroutine sends them.
type subscriber struct {
	name     string
	debug    func(format string, args ...any)
	patience patience
	// ctx ends with the subscription.
	ctx  context.Context
	stop context.CancelFunc
	// wake tells the goroutine that something has changed.
	wake chan struct{}
	// link and body are the goroutine's own.
	link link
	body []byte

	mu sync.Mutex
	// asked is the subscription in force; abandon ends what is being sent by
	// it.
	asked   Subscription
	abandon context.CancelFunc
	queue   queue
	// waits are those for deliveries.
	waits []flushWait
}

// flushWait is somebody who waits until the events up to one are settled.
type flushWait struct {
	upTo uint64
	done chan struct{}
}

func newSubscriber(name string, s Subscription, p patience, debug func(string, ...any)) *subscriber {
	ctx, stop := context.WithCancel(context.Background())
	return &subscriber{
		name: name, debug: debug, patience: p,
		ctx: ctx, stop: stop, wake: make(chan struct{}, 1),
		asked: s, abandon: func() {}, queue: newQueue(s),
	}
}

// replace puts another subscription in force, and returns the kinds of the one
// before. What has queued up goes to the new destination.
func (s *subscriber) replace(by Subscription) Kind {
	s.mu.Lock()
	defer s.mu.Unlock()
	before := s.asked
	s.asked = by
	s.queue.limit(by)
	if before.Destination != by.Destination {
		s.abandon()
	}
	s.nudge()
	return before.Kinds
}

func (s *subscriber) kinds() Kind {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked.Kinds
}

// add queues an event, if it was asked for.
func (s *subscriber) add(it item) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if it.kind&s.asked.Kinds == 0 {
		return
	}
	data := it.plain
	if it.structured != nil && s.asked.structured() {
		data = it.structured
	}
	if s.queue.add(data, s.asked.Kinds&Platform != 0) && s.queue.matters(s.asked) {
		s.nudge()
	}
}

// missed counts events that were lost before they got here.
func (s *subscriber) missed(lost drops) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.queue.dropped.add(lost)
}

// nudge wakes the goroutine. It never waits.
func (s *subscriber) nudge() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// flush has all that is queued be sent now; the channel is closed when that is
// settled.
func (s *subscriber) flush() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	wait := flushWait{s.queue.added, make(chan struct{})}
	s.waits = append(s.waits, wait)
	s.tellWaits()
	s.nudge()
	return wait.done
}

// tellWaits ends the waits for what is settled now. The lock is held.
func (s *subscriber) tellWaits() {
	for len(s.waits) > 0 && s.waits[0].upTo <= s.queue.settled {
		close(s.waits[0].done)
		s.waits = s.waits[1:]
	}
}

// run sends until the subscription ends.
func (s *subscriber) run() {
	defer s.end()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for s.ctx.Err() == nil {
		batch, wait := s.next()
		if len(batch) > 0 {
			s.settle(batch, s.send(batch))
			continue
		}
		timer.Reset(wait)
		select {
		case <-s.ctx.Done():
		case <-s.wake:
		case <-timer.C:
		}
	}
}

// forever is how long an empty queue may wait.
const forever = time.Hour

// next takes a batch if one is due, and else says when it will be.
func (s *subscriber) next() (batch []entry, wait time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.queue.empty() {
		return nil, forever
	}
	if len(s.waits) == 0 && !s.queue.full(s.asked) {
		if wait := s.asked.Timeout - s.queue.age(); wait > 0 {
			return nil, wait
		}
	}
	return s.queue.take(s.asked), 0
}

// settle is told how the sending of a batch has ended.
func (s *subscriber) settle(batch []entry, err error) {
	s.mu.Lock()
	lost := s.queue.settle(batch, err == nil, s.asked.Kinds&Platform != 0)
	s.mu.Unlock()
	// Not with the lock held: a debug line may have to wait.
	if lost.records > 0 {
		s.debug("telemetry: extension %s has missed %d events, of %d bytes", s.name, lost.records, lost.bytes)
	}
	if err != nil && s.ctx.Err() == nil {
		s.debug("telemetry: %d events for extension %s are given up: %v", len(batch), s.name, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tellWaits()
}

// end leaves nobody waiting.
func (s *subscriber) end() {
	s.link.close()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, wait := range s.waits {
		close(wait.done)
	}
	s.waits = nil
}
