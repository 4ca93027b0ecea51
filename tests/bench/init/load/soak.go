package main

import (
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"
)

// largeEvent is what Lambda allows in one event.
const largeEvent = 6 << 20

// shares are how often each behaviour is asked for, of 1000 events.
var shares = []struct {
	do    string
	share int
}{{doEcho, 760}, {doError, 150}, {doLarge, 40}, {doExit, 40}, {doTimeout, 10}}

// soakPlan is what the soak is asked to do.
type soakPlan struct {
	at       target
	clients  int
	duration time.Duration
	limit    time.Duration
	// timeout is the function's; the emulator was started with it.
	timeout time.Duration
	seed    uint64
	ledger  string
}

// soakResult is the line that the soak prints. All of its faults must be 0.
type soakResult struct {
	Asked  map[string]int64 `json:"asked"`
	Total  int64            `json:"total"`
	Slow   float64          `json:"slowest_s"`
	Faults faults           `json:"faults"`
	// Examples are the first faults in words.
	Examples []string `json:"examples,omitempty"`
}

// faults are counted by what they mean for a caller.
type faults struct {
	// Lost: the connection failed or closed before an answer came.
	Lost int64 `json:"lost"`
	// Hung: no answer came within the client's limit.
	Hung int64 `json:"hung"`
	// Wrong: an answer that is not the right one for its event.
	Wrong int64 `json:"wrong"`
	// Twice: bytes came that nobody had asked for.
	Twice int64 `json:"answered_twice"`
	// RunTwice: an event reached a runtime more than once.
	RunTwice int64 `json:"run_twice"`
	// NotRun: an event was answered, but by its ledger has not reached a runtime.
	NotRun int64 `json:"not_run"`
	// Swapped: the id in the answer is not the one that the runtime got.
	Swapped int64 `json:"swapped"`
}

func (f faults) sum() int64 {
	return f.Lost + f.Hung + f.Wrong + f.Twice + f.RunTwice + f.NotRun + f.Swapped
}

func (f *faults) add(g faults) {
	f.Lost += g.Lost
	f.Hung += g.Hung
	f.Wrong += g.Wrong
	f.Twice += g.Twice
	f.RunTwice += g.RunTwice
	f.NotRun += g.NotRun
	f.Swapped += g.Swapped
}

// maxExamples is how many faults are told in words.
const maxExamples = 8

// runSoak sends events of every behaviour, and judges each answer.
func runSoak(args []string) error {
	plan, err := parseSoak(args)
	if err != nil {
		return err
	}
	soakers := make([]*soaker, plan.clients)
	for i := range soakers {
		if soakers[i], err = newSoaker(plan, i); err != nil {
			return err
		}
	}
	var done sync.WaitGroup
	until := time.Now().Add(plan.duration)
	for _, s := range soakers {
		done.Go(func() { s.run(until) })
	}
	done.Wait()
	result := sumUp(soakers)
	if plan.ledger != "" {
		if err := audit(plan.ledger, soakers, &result); err != nil {
			return err
		}
	}
	return print(result)
}

func parseSoak(args []string) (soakPlan, error) {
	flags := flag.NewFlagSet("soak", flag.ContinueOnError)
	url := flags.String("url", "", "where the events go")
	clients := flags.Int("clients", 64, "how many clients there are")
	seconds := flags.Float64("seconds", 60, "for how long new events are sent")
	limit := flags.Duration("limit", 30*time.Second, "how long an answer may take")
	timeout := flags.Duration("timeout", time.Second, "the function's timeout, with which the emulator was started")
	seed := flags.Uint64("seed", 1, "what the order of the behaviours comes from")
	ledger := flags.String("ledger", "", "the file in which the runtimes note the events that reach them")
	if err := flags.Parse(args); err != nil {
		return soakPlan{}, err
	}
	at, err := parseURL(*url)
	switch {
	case err != nil:
		return soakPlan{}, err
	case *clients < 1 || *clients > maxClients:
		return soakPlan{}, fmt.Errorf("-clients must be from 1 to %d", maxClients)
	case *seconds <= 0 || *limit <= 0 || *timeout < time.Second:
		return soakPlan{}, errors.New("-seconds and -limit must be above zero, -timeout at least 1s")
	}
	return soakPlan{at: at, clients: *clients, duration: time.Duration(*seconds * float64(time.Second)),
		limit: *limit, timeout: *timeout, seed: *seed, ledger: *ledger}, nil
}

// soaker is one client of the soak.
type soaker struct {
	plan     soakPlan
	number   int
	conn     *connection
	random   *rand.Rand
	requests map[string][]byte // whole requests, by behaviour
	heads    map[string]int    // where the events in them begin
	answer   answer

	asked    map[string]int64
	faults   faults
	examples []string
	slowest  time.Duration
	entries  []entry // what is known of each event, by serial number
}

func newSoaker(plan soakPlan, number int) (*soaker, error) {
	s := &soaker{plan: plan, number: number, random: rand.New(rand.NewPCG(plan.seed, uint64(number))),
		requests: map[string][]byte{}, heads: map[string]int{}, asked: map[string]int64{}}
	for _, each := range shares {
		size := 120
		if each.do == doLarge {
			size = largeEvent
		}
		event, err := newEvent(each.do, size)
		if err != nil {
			return nil, err
		}
		request := appendHead(nil, "POST", plan.at, "Content-Type: application/json\r\n", size)
		s.heads[each.do] = len(request)
		if each.do == doLarge {
			// The body is shared in turn, not kept per client: see large.
			s.requests[each.do] = request
			continue
		}
		s.requests[each.do] = append(request, event...)
	}
	return s, nil
}

func (s *soaker) run(until time.Time) {
	defer s.hangUp()
	inARow := 0
	for time.Now().Before(until) && inARow < maxFailures {
		before := s.faults.sum()
		s.one(s.choose())
		if inARow++; s.faults.sum() == before {
			inARow = 0
		}
	}
	s.listenOnce()
}

// choose draws a behaviour by its share.
func (s *soaker) choose() string {
	drawn := s.random.IntN(1000)
	for _, each := range shares {
		if drawn -= each.share; drawn < 0 {
			return each.do
		}
	}
	return doEcho
}

// one sends one event and judges its answer.
func (s *soaker) one(do string) {
	event, request := s.prepare(do)
	s.entries = append(s.entries, entry{})
	s.asked[do]++
	began := time.Now()
	err := s.exchange(request, began)
	took := time.Since(began)
	s.slowest = max(s.slowest, took)
	if err != nil {
		s.failed(err, do, event, took)
		s.hangUp()
		return
	}
	s.entries[len(s.entries)-1].answered(s.answer.callID)
	if err := judge(do, event, &s.answer, took, s.plan.timeout); err != nil {
		s.faults.Wrong++
		s.example("a wrong answer to %s: %v", describe(event), err)
	}
	if stray := s.conn.reader.Buffered(); stray > 0 {
		s.faults.Twice++
		s.example("%d bytes follow the answer to %s", stray, describe(event))
		s.hangUp()
	} else if s.answer.close {
		s.hangUp()
	}
}

// prepare returns the next event of a behaviour, and the request around it.
func (s *soaker) prepare(do string) (event, request []byte) {
	request = s.requests[do]
	if do == doLarge {
		// Made anew: 6 MB for each of many clients would only sit there.
		body, err := newEvent(do, largeEvent)
		if err != nil {
			panic(err) // the size is a constant, and was tried in newSoaker
		}
		request = append(request[:len(request):len(request)], body...)
	}
	event = request[s.heads[do]:]
	setNonce(event, s.number, int64(len(s.entries)))
	return event, request
}

func (s *soaker) exchange(request []byte, now time.Time) error {
	if s.conn == nil {
		conn, err := dial(s.plan.at.host, s.plan.limit)
		if err != nil {
			return err
		}
		s.conn = conn
	}
	if err := s.conn.SetDeadline(now.Add(s.plan.limit)); err != nil {
		return err
	}
	return s.conn.exchange(request, &s.answer)
}

// failed counts a request that got no answer.
func (s *soaker) failed(err error, do string, event []byte, took time.Duration) {
	if took >= s.plan.limit {
		s.faults.Hung++
	} else {
		s.faults.Lost++
	}
	s.example("no answer to %s after %s (%s): %v", describe(event), took.Round(time.Millisecond), do, err)
}

// listenOnce looks, at the very end, whether an answer comes unasked.
func (s *soaker) listenOnce() {
	if s.conn == nil {
		return
	}
	_ = s.conn.SetReadDeadline(time.Now().Add(200 * time.Millisecond))
	if got, _ := s.conn.reader.Peek(1); len(got) > 0 {
		s.faults.Twice++
		s.example("client %d was sent something after its last answer", s.number)
	}
}

func (s *soaker) example(format string, args ...any) {
	if len(s.examples) < maxExamples {
		s.examples = append(s.examples, fmt.Sprintf(format, args...))
	}
}

func (s *soaker) hangUp() {
	if s.conn != nil {
		_ = s.conn.Close()
		s.conn = nil
	}
}

// describe names an event in words.
func describe(event []byte) string {
	nonce, do, _ := nonceOf(event)
	return do + " " + nonce
}

func sumUp(soakers []*soaker) soakResult {
	result := soakResult{Asked: map[string]int64{}}
	var slowest time.Duration
	for _, s := range soakers {
		for do, count := range s.asked {
			result.Asked[do] += count
			result.Total += count
		}
		slowest = max(slowest, s.slowest)
		result.Faults.add(s.faults)
		result.examples(s.examples)
	}
	result.Slow = slowest.Seconds()
	return result
}

func (r *soakResult) examples(more []string) {
	room := max(0, maxExamples-len(r.Examples))
	r.Examples = append(r.Examples, more[:min(room, len(more))]...)
}
