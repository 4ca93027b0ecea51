package engine

import (
	"context"
	"errors"
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
			env, err := p.acquire(false)
			served <- i
			if err == nil {
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
	p := newPool(1, 1, &environment{}, nil)
	env := take(t, p)
	served := queue(p, 20)
	p.release(env)
	for i := range 20 {
		if found := <-served; found != i {
			t.Fatalf("expected %d, found %d", i, found)
		}
	}
}

func take(t *testing.T, p *pool) *environment {
	t.Helper()
	env, err := p.acquire(true)
	if err != nil {
		t.Fatal(err)
	}
	return env
}

func TestPoolTakesTheWarmest(t *testing.T) {
	second := &environment{}
	p := newPool(1, 2, &environment{}, func() (*environment, error) { return second, nil })
	one, two := take(t, p), take(t, p)
	if two != second {
		t.Error("expected a new environment")
	}
	p.release(two)
	p.release(one)
	if take(t, p) != one {
		t.Error("expected the environment that was used last")
	}
}

func TestPoolGrowsNoFurther(t *testing.T) {
	grown := 0
	p := newPool(2, 3, &environment{}, func() (*environment, error) {
		if grown++; grown == 2 {
			return nil, errors.New("no port")
		}
		return &environment{}, nil
	})
	count := map[*environment]int{}
	for range 4 {
		count[take(t, p)]++
	}
	if _, err := p.acquire(true); err == nil || err.Error() != "no port" {
		t.Errorf("expected the error of growing, found %v", err)
	}
	for range 2 {
		count[take(t, p)]++
	}
	if _, err := p.acquire(true); !errors.Is(err, errThrottled) {
		t.Errorf("expected to be throttled, found %v", err)
	}
	for env, n := range count {
		if n != 2 {
			t.Errorf("environment %p was given to %d, expected 2", env, n)
		}
	}
	if len(count) != 3 {
		t.Errorf("expected 3 environments, found %d", len(count))
	}
}

func TestPoolClose(t *testing.T) {
	p := newPool(1, 1, &environment{}, nil)
	take(t, p)
	served := queue(p, 3)
	p.close()
	for range 3 {
		<-served
	}
	if _, err := p.acquire(false); !errors.Is(err, errClosing) {
		t.Errorf("a closed pool hands out an environment, or the wrong error: %v", err)
	}
}

func TestPoolSettles(t *testing.T) {
	p := newPool(1, 1, &environment{}, nil)
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
