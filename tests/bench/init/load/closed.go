package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// loadPlan is what the load generator is asked to do.
type loadPlan struct {
	at       target
	clients  int
	duration time.Duration
	// requests, unless zero, is how many are sent in all, instead of a duration.
	requests int64
	warmup   int64
	size     int
	check    bool
	limit    time.Duration
}

// loadResult is the line that the load generator prints.
type loadResult struct {
	summary
	Requests   int64   `json:"requests"`
	OK         int64   `json:"ok"`
	Errors     int64   `json:"errors"`
	Mismatches int64   `json:"mismatches"`
	Seconds    float64 `json:"seconds"`
	// Rate is good answers a second.
	Rate float64 `json:"rate"`
	// Note is the first thing that went wrong.
	Note string `json:"note,omitempty"`
}

// runLoad sends events in closed loops, and checks each answer.
func runLoad(args []string) error {
	plan, err := parseLoad(args)
	if err != nil {
		return err
	}
	clients := make([]*loader, plan.clients)
	for i := range clients {
		if clients[i], err = newLoader(plan, i); err != nil {
			return err
		}
	}
	return print(drive(plan, clients))
}

func parseLoad(args []string) (loadPlan, error) {
	flags := flag.NewFlagSet("load", flag.ContinueOnError)
	url := flags.String("url", "", "where the events go, such as http://127.0.0.1:9001/2015-03-31/functions/f/invocations")
	clients := flags.Int("clients", 1, "how many clients there are, each with one connection and one event under way")
	seconds := flags.Float64("seconds", 1, "for how long events are sent")
	requests := flags.Int64("requests", 0, "send so many events in all, however long it takes")
	warmup := flags.Int64("warmup", 0, "send so many events with each client first, which are checked but not counted")
	size := flags.Int("size", 100, "bytes in each event")
	check := flags.Bool("check", true, "compare each answer with its event, byte for byte")
	limit := flags.Duration("limit", 30*time.Second, "how long an answer may take")
	if err := flags.Parse(args); err != nil {
		return loadPlan{}, err
	}
	at, err := parseURL(*url)
	switch {
	case err != nil:
		return loadPlan{}, err
	case *clients < 1 || *clients > maxClients:
		return loadPlan{}, fmt.Errorf("-clients must be from 1 to %d", maxClients)
	case *seconds <= 0 || *requests < 0 || *warmup < 0 || *limit <= 0:
		return loadPlan{}, errors.New("-seconds and -limit must be above zero, -requests and -warmup not below")
	}
	return loadPlan{at: at, clients: *clients, duration: time.Duration(*seconds * float64(time.Second)),
		requests: *requests, warmup: *warmup, size: *size, check: *check, limit: *limit}, nil
}

// maxFailures in a row end a client: the other side has gone.
const maxFailures = 20

// loader is one client.
type loader struct {
	plan    loadPlan
	number  int
	serial  int64
	conn    *connection
	request []byte
	event   []byte // the end of request
	answer  answer

	times      latencies
	result     loadResult
	inARow     int
	lastFailed error
}

func newLoader(plan loadPlan, number int) (*loader, error) {
	event, err := newEvent(doEcho, plan.size)
	if err != nil {
		return nil, err
	}
	request := appendHead(nil, "POST", plan.at, "Content-Type: application/json\r\n", len(event))
	head := len(request)
	request = append(request, event...)
	return &loader{plan: plan, number: number, request: request, event: request[head:]}, nil
}

// drive runs the clients: first all warm up, then all start together.
func drive(plan loadPlan, clients []*loader) loadResult {
	var ready, done sync.WaitGroup
	var budget atomic.Int64
	budget.Store(plan.requests)
	start := make(chan time.Time)
	for _, client := range clients {
		ready.Add(1)
		done.Go(func() {
			client.warmUp()
			ready.Done()
			client.run(<-start, &budget)
		})
	}
	ready.Wait()
	began := time.Now()
	for range clients {
		start <- began
	}
	done.Wait()
	return collect(clients, time.Since(began))
}

func collect(clients []*loader, spent time.Duration) loadResult {
	var all latencies
	var sum loadResult
	for _, client := range clients {
		all = append(all, client.times...)
		sum.Requests += client.result.Requests
		sum.OK += client.result.OK
		sum.Errors += client.result.Errors
		sum.Mismatches += client.result.Mismatches
		if sum.Note == "" {
			sum.Note = client.result.Note
		}
	}
	sum.summary = all.summarise()
	sum.Seconds = spent.Seconds()
	sum.Rate = float64(sum.OK) / sum.Seconds
	return sum
}

// warmUp sends events that are not counted; what fails in it is.
func (l *loader) warmUp() {
	for range l.plan.warmup {
		l.send()
		if l.inARow >= maxFailures {
			break
		}
	}
	l.times = l.times[:0]
	l.result.Requests, l.result.OK = l.result.Errors+l.result.Mismatches, 0
}

func (l *loader) run(began time.Time, budget *atomic.Int64) {
	defer l.hangUp()
	for l.inARow < maxFailures {
		if l.plan.requests > 0 && budget.Add(-1) < 0 {
			return
		}
		if l.plan.requests == 0 && time.Since(began) >= l.plan.duration {
			return
		}
		l.send()
	}
}

// send sends one event and judges the answer.
func (l *loader) send() {
	l.serial++
	setNonce(l.event, l.number, l.serial)
	l.result.Requests++
	began := time.Now()
	err := l.exchange(began)
	took := time.Since(began)
	switch {
	case err != nil:
		l.result.Errors++
		l.fail(err)
		l.hangUp()
	case l.answer.status != 200 || len(l.answer.functionError) > 0:
		l.result.Errors++
		l.fail(fmt.Errorf("status %d, X-Amz-Function-Error %q, body %.200q", l.answer.status, l.answer.functionError, l.answer.body))
	case l.plan.check && !bytes.Equal(l.answer.body, l.event):
		l.result.Mismatches++
		l.fail(fmt.Errorf("sent %.100q, and got back %.100q", l.event, l.answer.body))
	default:
		l.result.OK++
		l.inARow = 0
		l.times = append(l.times, int64(took))
	}
	if l.answer.close {
		l.hangUp()
	}
}

func (l *loader) fail(err error) {
	l.inARow++
	l.lastFailed = err
	if l.result.Note == "" {
		l.result.Note = err.Error()
	}
}

func (l *loader) exchange(now time.Time) error {
	l.answer.close = false
	if l.conn == nil {
		conn, err := dial(l.plan.at.host, l.plan.limit)
		if err != nil {
			return err
		}
		l.conn = conn
	}
	if err := l.conn.SetDeadline(now.Add(l.plan.limit)); err != nil {
		return err
	}
	if err := l.conn.exchange(l.request, &l.answer); err != nil {
		return err
	}
	if stray := l.conn.reader.Buffered(); stray > 0 {
		return fmt.Errorf("%d bytes follow the answer", stray)
	}
	return nil
}

func (l *loader) hangUp() {
	if l.conn != nil {
		_ = l.conn.Close()
		l.conn = nil
	}
}
