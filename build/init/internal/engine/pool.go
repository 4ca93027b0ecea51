package engine

import (
	"context"
	"sync"
)

// pool hands out environments in the order of asking. Of several idle ones it
// takes the one used last: its runtime is the warmest.
type pool struct {
	mu      sync.Mutex
	idle    []*environment
	waiting []chan *environment
	closed  bool

	// busy counts what is under way; settled is closed when that is nothing.
	busy    int
	settled chan struct{}
}

func newPool(environments ...*environment) *pool {
	return &pool{idle: environments}
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

// acquire waits for an environment; nil when the pool is closed.
func (p *pool) acquire() *environment {
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return nil
	}
	if last := len(p.idle) - 1; last >= 0 {
		env := p.idle[last]
		p.idle = p.idle[:last]
		p.mu.Unlock()
		return env
	}
	turn := make(chan *environment, 1)
	p.waiting = append(p.waiting, turn)
	p.mu.Unlock()
	return <-turn
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
