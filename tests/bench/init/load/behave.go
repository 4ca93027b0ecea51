package main

import (
	"fmt"
	"os"
	"time"
)

// What an event of the soak may ask for.
const (
	doEcho    = "echo"
	doLarge   = "large" // an echo too: only the size differs
	doError   = "error"
	doTimeout = "timeout"
	doExit    = "exit"
)

// exitCode is what a runtime ends with that was asked to end.
const exitCode = 42

// chooseBehaviour sets what the environment asks for.
func (c *runtimeClient) chooseBehaviour(behaviour, ledger string) error {
	switch behaviour {
	case "":
		return nil
	case "mixed":
		c.mixed = true
	default:
		return fmt.Errorf("BENCH_BEHAVIOUR must be mixed or empty, found %q", behaviour)
	}
	if ledger == "" {
		return nil
	}
	file, err := os.OpenFile(ledger, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	c.ledger = file
	return err
}

// behave does what the event asks for. The ledger gets its line first, so
// that it says what has reached a runtime, whatever becomes of it.
func (c *runtimeClient) behave() error {
	nonce, do, ok := nonceOf(c.event.body)
	if !ok {
		return fmt.Errorf("this event is not one of the soak: %.80q", c.event.body)
	}
	if c.ledger != nil {
		// One write for one line: several runtimes append to the file.
		if _, err := c.ledger.WriteString(nonce + " " + string(c.event.runtimeID) + "\n"); err != nil {
			return err
		}
	}
	switch do {
	case doError:
		return c.post("error", "Lambda-Runtime-Function-Error-Type: Bench.Error\r\n", errorBody(nonce))
	case doTimeout:
		time.Sleep(time.Hour)
	case doExit:
		os.Exit(exitCode)
	}
	return c.post("response", "", c.event.body)
}

// errorBody is the error that the runtime reports for an event.
func errorBody(nonce string) []byte {
	return []byte(`{"errorType":"BenchError","errorMessage":"asked for by ` + nonce + `"}`)
}
