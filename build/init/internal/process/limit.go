package process

import (
	"strconv"
	"sync"
	"syscall"
	"time"
)

const (
	// limitInterval is how often the memory is looked at.
	limitInterval = 20 * time.Millisecond
	// limitShare: to look takes no more than a twentieth of a core.
	limitShare = 20
)

// limit watches the memory of a child and all that it started.
type limit struct {
	child *Child
	group *group
	bytes int64
	stop  chan struct{}
}

// EnforceMemory kills the child, and all that it started, once they hold more
// than limitBytes together. exceeded is called before that, at most once, with
// what they hold; the kill waits for it. Nothing is enforced when limitBytes
// is not positive.
//
// What counts are pages that are not merely a file's, those that several
// processes share once where the kernel tells it. What is taken and given back
// within limitInterval can go unseen.
//
// stop ends the watch, and may be called at any time and again, also by
// exceeded. It does not wait: a kill that is under way still happens. The end
// of the child ends the watch too.
func (c *Child) EnforceMemory(limitBytes int64, exceeded func(usedBytes int64)) (stop func()) {
	if limitBytes <= 0 {
		return func() {}
	}
	l := &limit{child: c, group: newGroup(c.pid), bytes: limitBytes, stop: make(chan struct{})}
	go l.run(exceeded)
	return sync.OnceFunc(func() { close(l.stop) })
}

func (l *limit) run(exceeded func(int64)) {
	timer := time.NewTimer(limitInterval)
	defer timer.Stop()
	for l.wait(timer) {
		began := time.Now()
		used := l.excess()
		if used > 0 && !l.ended() {
			exceeded(used)
			l.kill()
			return
		}
		timer.Reset(min(max(limitInterval, limitShare*time.Since(began)), scanLongest))
	}
}

// wait is false when the watch is over.
func (l *limit) wait(timer *time.Timer) bool {
	select {
	case <-timer.C:
		return true
	case <-l.stop:
		return false
	case <-l.child.done:
		return false
	}
}

func (l *limit) ended() bool {
	select {
	case <-l.stop:
		return true
	case <-l.child.done:
		return true
	default:
		return false
	}
}

// excess is what the processes hold, if that is beyond the limit; else 0. The
// sum over them is quick, and no less than the truth. Once it is beyond the
// limit, the kernel is asked for what counts shared pages only once.
func (l *limit) excess() int64 {
	if l.group.due(time.Now(), limitShare) {
		l.group.scan()
	}
	if l.measure() <= l.bytes {
		return 0
	}
	// Somebody may have ended, and another process have his number.
	l.group.scan()
	used := l.measure()
	if used <= l.bytes {
		return 0
	}
	if proportional, ok := l.group.proportional(); ok {
		used = proportional
	}
	if used <= l.bytes {
		return 0
	}
	return used
}

func (l *limit) measure() int64 {
	peak, used := l.group.measure()
	l.child.raisePeak(peak)
	return used
}

// kill kills the process group, and those who left it.
func (l *limit) kill() {
	l.child.Kill()
	for _, m := range l.group.members {
		if m.group == l.group.leader {
			continue
		}
		// It could have ended since, and its number be another's.
		now, ok := parseEntry(l.group.read(strconv.Itoa(m.pid), "stat"))
		if ok && now.started == m.started {
			// The only possible failure is that it has just ended.
			_ = syscall.Kill(m.pid, syscall.SIGKILL)
		}
	}
}
