package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"time"
)

// pollPause is the time between two attempts to connect.
const pollPause = 200 * time.Microsecond

// firstResult is the line that the stopwatch prints, in milliseconds from the
// moment before the command is started.
type firstResult struct {
	Listening float64 `json:"listening"`
	First     float64 `json:"first"`
}

// runFirst starts a command, which is to serve the URL, and takes the times to
// its first connection and to its first good answer. Then it stops the command.
func runFirst(args []string) error {
	flags := flag.NewFlagSet("first", flag.ContinueOnError)
	url := flags.String("url", "", "where the command will take events")
	limit := flags.Duration("limit", 10*time.Second, "how long it may take")
	size := flags.Int("size", 100, "bytes in the event")
	flags.Usage = func() {
		fmt.Fprintln(flags.Output(), "usage: load first -url URL [-limit 10s] [-size 100] -exec -- command [argument …]")
		flags.PrintDefaults()
	}
	flags.Bool("exec", false, "what follows the flags is the command; it may be left out")
	if err := flags.Parse(args); err != nil {
		return err
	}
	at, err := parseURL(*url)
	if err != nil {
		return err
	}
	if flags.NArg() == 0 {
		return errors.New("say which command to start, after --")
	}
	watch, err := newStopwatch(at, *size, *limit)
	if err != nil {
		return err
	}
	result, err := watch.measure(flags.Args())
	if err != nil {
		return err
	}
	return print(result)
}

type stopwatch struct {
	at     target
	limit  time.Duration
	client *loader
	ended  chan error
}

func newStopwatch(at target, size int, limit time.Duration) (*stopwatch, error) {
	client, err := newLoader(loadPlan{at: at, clients: 1, size: size, check: true, limit: limit}, 0)
	if err != nil {
		return nil, err
	}
	return &stopwatch{at: at, limit: limit, client: client, ended: make(chan error, 1)}, nil
}

func (s *stopwatch) measure(command []string) (firstResult, error) {
	// The command dies with the thread that starts it, so with this program,
	// however it ends; the thread must therefore stay.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if conn, err := dial(s.at.host, time.Second); err == nil {
		_ = conn.Close()
		return firstResult{}, fmt.Errorf("%s is taken already: choose another port", s.at.host)
	}
	cmd := exec.Command(command[0], command[1:]...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	cmd.Stderr = os.Stderr
	began := time.Now()
	if err := cmd.Start(); err != nil {
		return firstResult{}, err
	}
	go func() { s.ended <- cmd.Wait() }()
	result, err := s.poll(began)
	_ = cmd.Process.Kill()
	s.client.hangUp()
	if err == nil || !errors.Is(err, errEnded) {
		<-s.ended
	}
	return result, err
}

// errEnded: the command has ended before it answered.
var errEnded = errors.New("the command has ended before it gave a good answer")

func (s *stopwatch) poll(began time.Time) (firstResult, error) {
	var result firstResult
	for {
		select {
		case err := <-s.ended:
			return result, fmt.Errorf("%w: %v", errEnded, err)
		default:
		}
		now := time.Now()
		if now.Sub(began) > s.limit {
			return result, fmt.Errorf("there was no good answer within %s; the last attempt: %v", s.limit, s.client.lastFailed)
		}
		if s.client.conn == nil && !s.connect(now.Add(s.limit)) {
			time.Sleep(pollPause)
			continue
		}
		if result.Listening == 0 {
			result.Listening = millis(time.Since(began))
		}
		if s.client.send(); bytes.Equal(s.client.answer.body, s.client.event) && s.client.inARow == 0 {
			result.First = millis(time.Since(began))
			return result, nil
		}
		time.Sleep(pollPause)
	}
}

// connect makes one attempt.
func (s *stopwatch) connect(deadline time.Time) bool {
	conn, err := dial(s.at.host, time.Until(deadline))
	if err != nil {
		s.client.lastFailed = err
		return false
	}
	s.client.conn = conn
	return true
}

func millis(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
