package process

import (
	"os"
	"os/signal"
	"sync"
	"syscall"
)

// Supervisor starts children and is told when they end. As process 1 it also
// buries the orphans that the kernel hands to it.
type Supervisor struct {
	orphans bool
	signals chan os.Signal
	stop    chan struct{}

	mu       sync.Mutex
	children map[int]*Child
}

// NewSupervisor returns a running Supervisor. orphans says whether to bury
// processes it did not start; only process 1 may, as they could be somebody
// else's in the same program.
func NewSupervisor(orphans bool) *Supervisor {
	s := &Supervisor{
		orphans:  orphans,
		signals:  make(chan os.Signal, 1),
		stop:     make(chan struct{}),
		children: map[int]*Child{},
	}
	signal.Notify(s.signals, syscall.SIGCHLD)
	go s.watch()
	return s
}

// Close ends the supervision.
func (s *Supervisor) Close() {
	signal.Stop(s.signals)
	close(s.stop)
}

// Start starts a child.
func (s *Supervisor) Start(spec Spec) (*Child, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	child, err := start(spec)
	if err != nil {
		return nil, err
	}
	s.children[child.pid] = child
	return child, nil
}

func (s *Supervisor) watch() {
	for {
		select {
		case <-s.signals:
			// One signal can stand for many deaths.
			if s.orphans {
				s.buryAll()
			} else {
				s.buryChildren()
			}
		case <-s.stop:
			return
		}
	}
}

func (s *Supervisor) buryAll() {
	for {
		if !s.bury(-1) {
			return
		}
	}
}

func (s *Supervisor) buryChildren() {
	for _, pid := range s.pids() {
		s.bury(pid)
	}
}

func (s *Supervisor) pids() []int {
	s.mu.Lock()
	defer s.mu.Unlock()
	pids := make([]int, 0, len(s.children))
	for pid := range s.children {
		pids = append(pids, pid)
	}
	return pids
}

// bury takes leave of one process, any for -1; false when none has ended.
func (s *Supervisor) bury(pid int) bool {
	var status syscall.WaitStatus
	var usage syscall.Rusage
	s.mu.Lock()
	dead, err := wait(pid, &status, &usage)
	child := s.children[dead]
	delete(s.children, dead)
	s.mu.Unlock()
	if child != nil {
		child.ended(status, usage.Maxrss*1024)
	}
	return err == nil && dead > 0
}

func wait(pid int, status *syscall.WaitStatus, usage *syscall.Rusage) (int, error) {
	for {
		dead, err := syscall.Wait4(pid, status, syscall.WNOHANG, usage)
		if err != syscall.EINTR {
			return dead, err
		}
	}
}
