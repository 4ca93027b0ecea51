package engine

import (
	"context"
	"errors"
	"slices"
	"sync"
)

var (
	errClosing   = errors.New("the emulator is shutting down")
	errThrottled = errors.New("Rate Exceeded.") // Lambda's wording
)

// pool hands out environments in the order of asking, each to as many at a
// time as it can serve. Of several idle ones it takes the one used last: its
// runtime is the warmest.
type pool struct {
	grow func() (*environment, error)

	mu sync.Mutex
	// idle has an environment once for each invocation it can still take.
	idle    []*environment
	waiting []chan *environment
	// growth is how many environments there may still be made.
	growth     int
	sideBySide int
	closed     bool

	// busy counts what is under way; settled is closed when that is nothing.
	busy    int
	settled chan struct{}
}

func newPool(sideBySide, limit int, first *environment, grow func() (*environment, error)) *pool {
	sideBySide = max(sideBySide, 1)
	return &pool{
		grow:       grow,
		growth:     max(limit, 1) - 1,
		sideBySide: sideBySide,
		idle:       slices.Repeat([]*environment{first}, sideBySide),
	}
}

// enter announces something that leave ends.
func (p *pool) enter() {
	p.mu.Lock()
	p.busy++
	p.mu.Unlock()
}

func (p *pool) leave() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.busy--
	if p.busy == 0 && p.settled != nil {
		close(p.settled)
		p.settled = nil
	}
}

// settle waits until nothing is under way, or ctx ends.
func (p *pool) settle(ctx context.Context) {
	p.mu.Lock()
	if p.busy == 0 {
		p.mu.Unlock()
		return
	}
	if p.settled == nil {
		p.settled = make(chan struct{})
	}
	settled := p.settled
	p.mu.Unlock()
	select {
	case <-settled:
	case <-ctx.Done():
	}
}

// acquire returns an environment, a new one if there may be more, or waits for
// one unless it is to throttle.
func (p *pool) acquire(throttle bool) (*environment, error) {
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return nil, errClosing
	}
	if last := len(p.idle) - 1; last >= 0 {
		env := p.idle[last]
		p.idle = p.idle[:last]
		p.mu.Unlock()
		return env, nil
	}
	if p.growth > 0 {
		p.growth--
		p.mu.Unlock()
		return p.add()
	}
	if throttle {
		p.mu.Unlock()
		return nil, errThrottled
	}
	turn := make(chan *environment, 1)
	p.waiting = append(p.waiting, turn)
	p.mu.Unlock()
	if env := <-turn; env != nil {
		return env, nil
	}
	return nil, errClosing
}

func (p *pool) add() (*environment, error) {
	env, err := p.grow()
	if err != nil {
		p.mu.Lock()
		p.growth++
		p.mu.Unlock()
		return nil, err
	}
	for range p.sideBySide - 1 {
		p.release(env)
	}
	return env, nil
}

func (p *pool) release(env *environment) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.waiting) == 0 {
		p.idle = append(p.idle, env)
		return
	}
	turn := p.waiting[0]
	p.waiting[0] = nil
	p.waiting = p.waiting[1:]
	turn <- env
}

// close sends everybody away who waits.
func (p *pool) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	for _, turn := range p.waiting {
		turn <- nil
	}
	p.waiting = nil
}
