package runtimeapi

import (
	"context"
	"errors"
	"sync"
	"time"
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
	events     chan *Event
	ready      chan struct{}
	initFailed chan struct{}
	closed     chan struct{}

	mu          sync.Mutex
	state       state
	current     *Event
	readyAt     time.Time
	initFailure Answer
	over        bool
}

// NewSession returns the conversation of a runtime that is being started.
func NewSession() *Session {
	return &Session{
		events:     make(chan *Event, 1),
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

// Deliver hands over an event. There may be one at a time: the next only
// after this one is answered or withdrawn.
func (s *Session) Deliver(e *Event) { s.events <- e }

// Withdraw takes an event back that the runtime has not fetched.
func (s *Session) Withdraw() bool {
	select {
	case <-s.events:
		return true
	default:
		return false
	}
}

// Close ends the conversation: what waits in it returns, and what the runtime
// still sends is refused.
func (s *Session) Close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.over {
		s.over = true
		close(s.closed)
	}
}

// Closed is closed when the conversation is over.
func (s *Session) Closed() <-chan struct{} { return s.closed }

// next waits for an event.
func (s *Session) next(ctx context.Context) (*Event, error) {
	if err := s.enterNext(); err != nil {
		return nil, err
	}
	select {
	case e := <-s.events:
		s.mu.Lock()
		s.current = e
		s.mu.Unlock()
		return e, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-s.closed:
		return nil, errClosed
	}
}

func (s *Session) enterNext() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.over {
		return errClosed
	}
	if s.state == stateInitError {
		return &transitionError{s.state, stateNext}
	}
	if s.state == stateInit {
		s.readyAt = time.Now()
		close(s.ready)
	}
	s.state = stateNext
	return nil
}

// undelivered puts an event back that could not be written to the runtime.
func (s *Session) undelivered(e *Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.over && s.current == e && s.state == stateNext {
		s.current = nil
		select {
		case s.events <- e:
		default:
		}
	}
}

// beginAnswer is the first half of a response or error: is it due?
func (s *Session) beginAnswer(requestID string, to state) (*Event, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.over || s.current == nil || s.current.RequestID != requestID {
		return nil, errInvalidRequestID
	}
	if s.state != stateNext {
		return nil, &transitionError{s.state, to}
	}
	s.state = to
	return s.current, nil
}

// endAnswer is the second half: its body has arrived.
func (s *Session) endAnswer(e *Event, a Answer) { e.answered <- a }

// Answering is whether the runtime is in the middle of an answer, or done.
func (s *Session) Answering() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state == stateResponse || s.state == stateError
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
