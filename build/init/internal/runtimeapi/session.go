package runtimeapi

import (
	"errors"
	"slices"
	"sync"
	"time"

	"imagemill/init/internal/wire"
)

// state is where a runtime is in its conversation.
type state int

const (
	stateInit state = iota
	stateInitError
	stateNext
	stateResponse
	stateError
)

var (
	errInvalidRequestID = errors.New("Invalid request ID") // the API's wording
	errClosed           = errors.New("the conversation is over")
)

// transitionError is a step that the runtime may not take now.
type transitionError struct{ from, to state }

func (e *transitionError) Error() string { return "transition not allowed" }

// Session is the conversation with one runtime process, from its start to its
// end. A restarted runtime gets a new one.
type Session struct {
	dialect Dialect
	// several: the runtime takes events side by side, as on managed
	// instances, and each has a state of its own.
	several bool

	ready      chan struct{}
	initFailed chan struct{}
	closed     chan struct{}

	mu          sync.Mutex
	state       state
	over        bool
	readyAt     time.Time
	initFailure Answer
	// pollers are the runtime's requests for an event, in their order;
	// waiting are events that nobody has asked for yet.
	pollers []*wire.Exchange
	waiting []*Event
	// taken are the events that the runtime has. One at a time, unless
	// several; that one stays until the next, to tell a second answer from
	// one to an unknown event.
	taken []*Event
}

func newSession(dialect Dialect, several bool) *Session {
	return &Session{
		dialect:    dialect,
		several:    several,
		ready:      make(chan struct{}),
		initFailed: make(chan struct{}),
		closed:     make(chan struct{}),
	}
}

// Ready is closed when the runtime has asked for its first event.
func (s *Session) Ready() <-chan struct{} { return s.ready }

// ReadyAt is when that was; only after Ready.
func (s *Session) ReadyAt() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.readyAt
}

// InitFailed is closed when the runtime has reported an error of its init.
func (s *Session) InitFailed() <-chan struct{} { return s.initFailed }

// InitFailure is that report; only after InitFailed.
func (s *Session) InitFailure() Answer {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.initFailure
}

// Deliver hands over an event. Unless the runtime takes several, there may be
// one at a time: the next only after this one is answered or withdrawn. The
// event is written to the runtime that waits for one by the caller of Deliver
// itself.
func (s *Session) Deliver(e *Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.pollers) > 0 && !s.over {
		x := s.pollers[0]
		s.pollers = slices.Delete(s.pollers, 0, 1)
		if s.give(x, e) {
			return
		}
	}
	if !s.over {
		s.waiting = append(s.waiting, e)
	}
}

// give writes an event to the runtime; false when that has gone. The lock is
// held, and let go while it writes.
func (s *Session) give(x *wire.Exchange, e *Event) bool {
	if !s.several {
		// The request may have waited since before the last answer.
		s.taken, s.state = s.taken[:0], stateNext
	}
	s.taken = append(s.taken, e)
	s.mu.Unlock()
	err := x.Reply(200, eventHeader(e, s.dialect), e.Payload)
	s.mu.Lock()
	if err == nil || e.answering || !slices.Contains(s.taken, e) {
		// Given, or forgotten meanwhile: it is not to be given again.
		return true
	}
	s.release(e)
	return false
}

func (s *Session) release(e *Event) {
	s.taken = slices.DeleteFunc(s.taken, func(other *Event) bool { return other == e })
}

// Withdraw takes an event back that the runtime has not fetched.
func (s *Session) Withdraw(e *Event) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := slices.Index(s.waiting, e)
	if i < 0 {
		return false
	}
	s.waiting = slices.Delete(s.waiting, i, i+1)
	return true
}

// Forget has a late answer to an event refused.
func (s *Session) Forget(e *Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.release(e)
}

// Close ends the conversation: what waits in it returns, and what the runtime
// still sends is refused.
func (s *Session) Close() {
	s.mu.Lock()
	if s.over {
		s.mu.Unlock()
		return
	}
	s.over = true
	close(s.closed)
	pollers := s.pollers
	s.pollers, s.waiting = nil, nil
	s.mu.Unlock()
	for _, x := range pollers {
		refuse(x, s.dialect, errClosed)
	}
}

// Closed is closed when the conversation is over.
func (s *Session) Closed() <-chan struct{} { return s.closed }

// next gives the runtime an event, now or when there is one.
func (s *Session) next(x *wire.Exchange) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.enterNext(); err != nil {
		return err
	}
	if len(s.waiting) > 0 {
		e := s.waiting[0]
		s.waiting = slices.Delete(s.waiting, 0, 1)
		if !s.give(x, e) {
			s.waiting = slices.Insert(s.waiting, 0, e)
		}
		return nil
	}
	s.pollers = append(s.pollers, x)
	x.Defer(func() { s.forgetPoller(x) })
	return nil
}

func (s *Session) forgetPoller(x *wire.Exchange) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pollers = slices.DeleteFunc(s.pollers, func(other *wire.Exchange) bool { return other == x })
}

func (s *Session) enterNext() error {
	switch {
	case s.over:
		return errClosed
	case s.state == stateInitError:
		return &transitionError{s.state, stateNext}
	case s.state == stateNext && s.dialect == Emulator && !s.several && len(s.taken) > 0:
		// docker-lambda lets a runtime ask again.
		return &transitionError{s.state, stateNext}
	case s.state == stateInit:
		s.readyAt = time.Now()
		close(s.ready)
	}
	if s.state != stateNext && !s.several {
		s.taken = s.taken[:0]
	}
	s.state = stateNext
	return nil
}

// beginAnswer is the first half of a response or error: is it due?
func (s *Session) beginAnswer(requestID string, to state) (*Event, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := slices.IndexFunc(s.taken, func(e *Event) bool { return e.RequestID == requestID })
	if s.over || i < 0 {
		return nil, errInvalidRequestID
	}
	e := s.taken[i]
	if s.state != stateNext || e.answering {
		return nil, &transitionError{s.state, to}
	}
	e.answering = true
	if !s.several {
		s.state = to
	}
	return e, nil
}

// endAnswer is the second half: its body has arrived.
func (s *Session) endAnswer(e *Event, a Answer) {
	if s.several {
		s.Forget(e)
	}
	e.answered <- a
}

// Answering is whether the runtime is in the middle of an answer to an event,
// or done with it.
func (s *Session) Answering(e *Event) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return e.answering
}

func (s *Session) failInit(a Answer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.initFailure = a
	close(s.initFailed)
}

func (s *Session) enterInitError() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.over {
		return errClosed
	}
	if s.state != stateInit {
		return &transitionError{s.state, stateInitError}
	}
	s.state = stateInitError
	return nil
}
