package engine

import (
	"context"
	"testing"
)

// queue lets n callers wait, one after the other, and returns what they got
// in the order of getting.
func queue(p *pool, n int) <-chan int {
	served := make(chan int, n)
	for i := range n {
		p.mu.Lock()
		before := len(p.waiting)
		p.mu.Unlock()
		go func() {
			env := p.acquire()
			served <- i
			if env != nil {
				p.release(env)
			}
		}()
		for waiting := before; waiting == before; {
			p.mu.Lock()
			waiting = len(p.waiting)
			p.mu.Unlock()
		}
	}
	return served
}

func TestPoolServesInOrder(t *testing.T) {
	p := newPool(&environment{})
	env := p.acquire()
	served := queue(p, 20)
	p.release(env)
	for i := range 20 {
		if found := <-served; found != i {
			t.Fatalf("expected %d, found %d", i, found)
		}
	}
}

func TestPoolTakesTheWarmest(t *testing.T) {
	first, second := &environment{}, &environment{}
	p := newPool(first, second)
	one, two := p.acquire(), p.acquire()
	p.release(two)
	p.release(one)
	if p.acquire() != one {
		t.Error("expected the environment that was used last")
	}
}

func TestPoolClose(t *testing.T) {
	p := newPool(&environment{})
	p.acquire()
	served := queue(p, 3)
	p.close()
	for range 3 {
		<-served
	}
	if p.acquire() != nil {
		t.Error("a closed pool hands out an environment")
	}
}

func TestPoolSettles(t *testing.T) {
	p := newPool()
	p.settle(t.Context())
	p.enter()
	p.enter()
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	p.settle(ended)
	settled := make(chan struct{})
	go func() {
		p.settle(context.Background())
		close(settled)
	}()
	p.leave()
	p.leave()
	<-settled
}
