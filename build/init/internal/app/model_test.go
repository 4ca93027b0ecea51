package app

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"imagemill/init/internal/engine"
	"imagemill/init/internal/runtimeapi"
)

// TestModel plays random interleavings of what callers, a runtime, an
// extension and the platform do, and checks each step against the model.
func TestModel(t *testing.T) {
	t.Parallel()
	const interleavings = 3000
	for seed := range uint64(interleavings) {
		inWorld(t, runtimeapi.Dialect(seed%2), func(w *world) {
			p := newPlay(w, seed)
			for range 10 + p.dice.IntN(30) {
				p.step()
			}
			p.finish()
		})
		if t.Failed() {
			return
		}
	}
}

// play is one interleaving.
type play struct {
	*world
	m     *model
	seed  uint64
	dice  *rand.Rand
	steps []string
	calls []*modelCall
	// id is the identifier that the extension was given last.
	id string
}

func newPlay(w *world, seed uint64) *play {
	p := &play{world: w, seed: seed, dice: rand.New(rand.NewPCG(seed, 0))}
	p.m = &model{dialect: runtimeapi.Dialect(seed % 2), now: time.Now, dueRequests: map[*request]int{}, dueCalls: map[*modelCall]bool{}}
	p.m.begin()
	synctest.Wait()
	return p
}

// fatal says how to see it again.
func (p *play) fatal(format string, args ...any) {
	p.t.Helper()
	p.t.Fatalf("seed %d, after %s:\n%s\nmodel: %+v\nlog:\n%s", p.seed, strings.Join(p.steps, ", "),
		fmt.Sprintf(format, args...), p.m.rt, p.log)
}

func (p *play) step() {
	actions := []struct {
		name   string
		weight int
		do     func()
	}{
		{"invoke", 5, p.invokeNext},
		{"next", 8, func() { p.m.next(p.ask(runtimePath + "invocation/next")) }},
		{"respond", 6, func() { p.answer("response", "RESPONSE", engine.Success) }},
		{"fail", 2, func() { p.answer("error", "ERROR", engine.FunctionError) }},
		{"init error", 1, func() {
			r := p.send("POST", runtimePath+"init/error", `{"errorMessage":"bad init"}`)
			p.m.initError(r, `{"errorMessage":"bad init"}`)
		}},
		{"hang up", 1, p.hangUp},
		{"restart", 1, func() { p.engine.Restart(); p.m.restart() }},
		{"wait", 2, func() { p.wait(time.Duration(100+p.dice.IntN(3500)) * time.Millisecond) }},
		{"extension registers", 2, p.registerExtension},
		{"extension asks", 4, func() {
			r := p.ask(extensionPath+"event/next", "Lambda-Extension-Identifier", p.id)
			p.m.extensionNext(r, p.knows())
		}},
		{"extension fails", 1, p.failExtension},
	}
	total := 0
	for _, a := range actions {
		total += a.weight
	}
	for n, i := p.dice.IntN(total), 0; ; i++ {
		if n -= actions[i].weight; n < 0 {
			p.steps = append(p.steps, actions[i].name)
			actions[i].do()
			p.check()
			return
		}
	}
}

func (p *play) ask(path string, header ...string) *request {
	return p.send("GET", path, "", header...)
}

func (p *play) invokeNext() {
	c := &modelCall{caller: p.invoke(fmt.Sprintf("call-%d", len(p.calls)))}
	p.calls = append(p.calls, c)
	// In the queue before the next step.
	synctest.Wait()
	p.m.arrive(c)
}

// answer answers the event that the runtime has, or at times another.
func (p *play) answer(path, state string, kind engine.Kind) {
	id, known := "stranger", false
	if held := p.m.rt.held; held != nil && p.dice.IntN(10) > 0 {
		id, known = held.id, true
	} else if len(p.calls) > 0 && p.dice.IntN(2) > 0 {
		other := p.calls[p.dice.IntN(len(p.calls))]
		id, known = other.id, other == held
	}
	body := `{"errorMessage":"` + path + " to " + id + `"}`
	p.m.answer(p.send("POST", runtimePath+"invocation/"+id+"/"+path, body), state, known, kind, body)
}

func (p *play) hangUp() {
	if len(p.m.rt.parked) > 0 {
		_ = p.m.hangUp().conn.Close()
	}
}

func (p *play) registerExtension() {
	events, wants := `{"events":["INVOKE"]}`, true
	if p.dice.IntN(3) == 0 {
		events, wants = `{"events":[]}`, false
	}
	r := p.send("POST", extensionPath+"register", events, "Lambda-Extension-Name", "x")
	p.m.register(r, wants)
	<-r.done
	if id := r.header.Get("Lambda-Extension-Identifier"); id != "" {
		p.id = id
		p.m.rt.extensionID = id
	}
}

func (p *play) knows() bool { return p.id != "" && p.m.rt.extensionID == p.id }

func (p *play) failExtension() {
	path, inInit := "exit/error", false
	if p.dice.IntN(3) == 0 {
		path, inInit = "init/error", true
	}
	known := p.knows()
	r := p.send("POST", extensionPath+path, "{}", "Lambda-Extension-Identifier", p.id, "Lambda-Extension-Function-Error-Type", "My.Error")
	p.m.extensionError(r, known, inInit)
}

// wait lets time pass, and stops wherever the time of something is over.
func (p *play) wait(d time.Duration) {
	end := time.Now().Add(d)
	for p.m.current != nil && !p.m.until.After(end) {
		time.Sleep(time.Until(p.m.until))
		synctest.Wait()
		p.m.expire()
		p.check()
	}
	time.Sleep(time.Until(end))
}

// check compares the world with the model.
func (p *play) check() {
	p.t.Helper()
	synctest.Wait()
	for r, status := range p.m.dueRequests {
		if !r.isDone() || r.status != status {
			p.fatal("%s: expected %d, found %d %s", r.what, status, r.status, r.body)
		}
	}
	clear(p.m.dueRequests)
	for _, r := range p.m.rt.parked {
		if r.isDone() {
			p.fatal("%s: expected it to wait, found %d %s", r.what, r.status, r.body)
		}
	}
	if r := p.m.rt.extensionAsk; r != nil && r.isDone() {
		p.fatal("%s: expected it to wait, found %d %s", r.what, r.status, r.body)
	}
	for _, c := range p.calls {
		if !p.m.dueCalls[c] {
			if len(c.outcomes) > 0 {
				p.fatal("%s ended: %+v", c.id, <-c.outcomes)
			}
			continue
		}
		delete(p.m.dueCalls, c)
		if len(c.outcomes) != 1 {
			p.fatal("%s has %d outcomes, expected kind %d %s", c.id, len(c.outcomes), c.kind, c.body)
		}
		if out := <-c.outcomes; out.Kind != c.kind || out.RequestID != c.id || !strings.Contains(string(out.Body), c.body) {
			p.fatal("%s: expected kind %d %s, found %d %s", c.id, c.kind, c.body, out.Kind, out.Body)
		}
	}
}

// finish sees to it that the engine serves again, or ends it as it is.
func (p *play) finish() {
	if p.dice.IntN(3) > 0 {
		for p.m.current != nil {
			p.wait(worldInitTimeout)
		}
		for _, action := range []func(){
			func() { p.engine.Restart(); p.m.restart() },
			func() { p.m.next(p.ask(runtimePath + "invocation/next")) },
			p.invokeNext,
			func() {
				id := p.calls[len(p.calls)-1].id
				p.m.answer(p.send("POST", runtimePath+"invocation/"+id+"/response", "last"), "RESPONSE", true, engine.Success, "last")
			},
		} {
			p.steps = append(p.steps, "at the end")
			action()
			p.check()
		}
	}
	p.steps = append(p.steps, "close")
	p.engine.Close(0)
	p.m.close()
	p.check()
	for _, c := range p.calls {
		<-c.returned
		if err := p.checkLines(c.caller, &engine.Outcome{Kind: c.kind}); err != nil {
			p.fatal("%v", err)
		}
	}
}
