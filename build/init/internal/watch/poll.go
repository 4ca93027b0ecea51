package watch

import (
	"runtime"
	"syscall"
	"time"
)

// pollShare: to look takes no more than a twentieth of a core.
const pollShare = 20

// poller looks at directories from time to time.
type poller struct {
	interval time.Duration
	stop     <-chan struct{}
	trees    []*tree
	walker   walker
}

// newPoller looks at the directories for the first time.
func newPoller(interval time.Duration, stop <-chan struct{}, roots []string) (*poller, error) {
	if interval <= 0 {
		interval = defaultInterval
	}
	p := &poller{interval: interval, stop: stop, walker: walker{stop: stop}}
	for _, root := range roots {
		t := newTree(root)
		if _, err := p.walker.walk(t); err != nil {
			return nil, err
		}
		p.trees = append(p.trees, t)
	}
	return p, nil
}

// run tells of changes until it is stopped.
func (p *poller) run(tell func()) {
	timer := time.NewTimer(p.interval)
	defer timer.Stop()
	for p.wait(timer) {
		began := time.Now()
		changed, cost := p.look()
		took := time.Since(began)
		if changed {
			if !p.settle(timer, began) {
				return
			}
			tell()
		}
		timer.Reset(pause(p.interval, cost, took))
	}
}

// settle looks again and again until nothing changes any more, as long as
// that does not take too long; false when stopped. For that time it may cost
// more.
func (p *poller) settle(timer *time.Timer, began time.Time) bool {
	for changed := true; changed && time.Since(began) < longest; {
		timer.Reset(quiet)
		if !p.wait(timer) {
			return false
		}
		changed, _ = p.look()
	}
	return true
}

// pause is the time until the next look, after one that cost so much of a
// core and took so long: a file system that is slow to answer is left alone
// for half of the time.
func pause(interval, cost, took time.Duration) time.Duration {
	return max(interval, pollShare*cost, took)
}

// wait is false when the watch is over.
func (p *poller) wait(timer *time.Timer) bool {
	select {
	case <-timer.C:
		return true
	case <-p.stop:
		return false
	}
}

// look is whether anything has changed since the last time, and what it cost
// to find out, in time of a core.
func (p *poller) look() (changed bool, cost time.Duration) {
	// The cost is counted by thread.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	began, before := time.Now(), threadTime()
	for _, t := range p.trees {
		// A directory that is gone is a change like any other.
		different, _ := p.walker.walk(t)
		changed = changed || different
	}
	if before == 0 {
		return changed, time.Since(began)
	}
	return changed, threadTime() - before
}

// threadTime is how long this thread has been running; 0 when the kernel does
// not tell.
func threadTime() time.Duration {
	var usage syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_THREAD, &usage) != nil {
		return 0
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
