package app

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"syscall"
	"time"

	"imagemill/init/internal/engine"
	"imagemill/init/internal/process"
)

// stopGrace is how long a running invocation may still take after SIGTERM.
const stopGrace = 2 * time.Second

// killedAnswer is how long the outcome of a killed runtime takes at most.
const killedAnswer = time.Second

// singleShot invokes the function once and prints its result.
func (p *program) singleShot() int {
	listener, err := listen(p.cfg.Addresses.Runtime)
	if err != nil {
		p.complain("%v", err)
		return exitFailure
	}
	p.announce(Listening{Runtime: localAddress(listener)})
	supervisor := process.NewSupervisor(p.fx.Init)
	defer supervisor.Close()
	srv := newServers(p)
	defer srv.close()
	place := p.newPlace(localAddress(listener))
	eng := p.newEngine(place, supervisor, srv)
	srv.servePlace(listener, place)

	outcome := make(chan *engine.Outcome, 1)
	go func() { outcome <- p.invokeOnce(eng) }()
	out := p.await(outcome, eng)
	if out == nil {
		return exitFailure
	}
	p.printResult(out.Body)
	eng.Close(0)
	if out.FunctionError != "" {
		return exitFailure
	}
	return exitOK
}

func (p *program) announce(l Listening) {
	if p.fx.Listening != nil {
		p.fx.Listening(l)
	}
}

func (p *program) invokeOnce(eng *engine.Engine) *engine.Outcome {
	event := p.cfg.Event
	if p.cfg.EventOnStdin {
		var err error
		if event, err = io.ReadAll(p.fx.Stdin); err != nil {
			p.complain("The event on standard input could not be read to its end: %v", err)
		}
	}
	return eng.Invoke(&engine.Invocation{
		RequestID:       p.newRequestID(),
		TraceID:         p.cfg.Function.TraceID,
		ClientContext:   p.cfg.Function.ClientContext,
		CognitoIdentity: p.cfg.Function.CognitoIdentity,
		Payload:         event,
	}, nil)
}

// await waits for the outcome. A signal shortens that; nil when there is no
// outcome even so, as when the event never came.
func (p *program) await(outcome <-chan *engine.Outcome, eng *engine.Engine) *engine.Outcome {
	patience := stopGrace
	select {
	case out := <-outcome:
		return out
	case sig := <-p.fx.Signals:
		if sig != syscall.SIGTERM {
			patience = 0
		}
	}
	if out := within(outcome, patience); out != nil {
		return out
	}
	eng.Close(0)
	return within(outcome, killedAnswer)
}

func within(outcome <-chan *engine.Outcome, limit time.Duration) *engine.Outcome {
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case out := <-outcome:
		return out
	case <-timer.C:
		return nil
	}
}

// printResult writes the result as the last line of standard output, in one
// line if it is JSON.
func (p *program) printResult(body []byte) {
	var line bytes.Buffer
	line.Grow(len(body) + 2)
	line.WriteByte('\n')
	if err := json.Compact(&line, body); err != nil {
		line.Truncate(1)
		line.Write(body)
	}
	line.WriteByte('\n')
	if _, err := p.fx.Stdout.Write(line.Bytes()); err != nil {
		fmt.Fprintf(p.fx.Stderr, "The result could not be written: %v\n", err)
	}
}
