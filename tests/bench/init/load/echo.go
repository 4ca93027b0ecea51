package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"time"
)

const runtimePath = "/2018-06-01/runtime/"

// runtimeClient is a runtime: it asks for an event, and answers it, over one
// connection that it keeps.
type runtimeClient struct {
	conn  *connection
	host  string
	next  []byte
	event answer
	reply answer
	// out is reused for every request.
	out []byte
	// sleep is how long the handler waits before it answers.
	sleep time.Duration
	// ledger, unless nil, gets a line for each event; see behave.go.
	ledger *os.File
	mixed  bool
}

// runEcho is the trivial runtime. It ends without an error when the emulator
// has gone, as it does when the emulator is stopped.
func runEcho([]string) error {
	client, err := newRuntimeClient(os.Getenv)
	if err != nil {
		return err
	}
	for {
		if err := client.serve(); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
	}
}

func newRuntimeClient(getenv func(string) string) (*runtimeClient, error) {
	c := &runtimeClient{host: getenv("AWS_LAMBDA_RUNTIME_API")}
	if c.host == "" {
		return nil, errors.New("AWS_LAMBDA_RUNTIME_API is not set: an emulator starts this")
	}
	if text := getenv("BENCH_SLEEP_MS"); text != "" {
		ms, err := strconv.ParseUint(text, 10, 31)
		if err != nil {
			return nil, fmt.Errorf("BENCH_SLEEP_MS must be a number of milliseconds, found %q", text)
		}
		c.sleep = time.Duration(ms) * time.Millisecond
	}
	if err := c.chooseBehaviour(getenv("BENCH_BEHAVIOUR"), getenv("BENCH_LEDGER")); err != nil {
		return nil, err
	}
	conn, err := dial(c.host, 5*time.Second)
	if err != nil {
		return nil, err
	}
	c.conn = conn
	c.next = appendHead(nil, "GET", target{c.host, runtimePath + "invocation/next"}, "", 0)
	return c, nil
}

// serve handles one event.
func (c *runtimeClient) serve() error {
	if err := c.conn.exchange(c.next, &c.event); err != nil {
		return err
	}
	if c.event.status != 200 {
		return fmt.Errorf("the emulator answered %d to a request for an event: %.200q", c.event.status, c.event.body)
	}
	if c.sleep > 0 {
		time.Sleep(c.sleep)
	}
	if c.mixed {
		return c.behave()
	}
	return c.post("response", "", c.event.body)
}

// post sends the outcome of the present event.
func (c *runtimeClient) post(what, more string, body []byte) error {
	at := target{c.host, runtimePath + "invocation/" + string(c.event.runtimeID) + "/" + what}
	c.out = appendHead(c.out[:0], "POST", at, more, len(body))
	c.out = append(c.out, body...)
	if err := c.conn.exchange(c.out, &c.reply); err != nil {
		return err
	}
	if c.reply.status != 202 {
		return fmt.Errorf("the emulator answered %d to an outcome: %.200q", c.reply.status, c.reply.body)
	}
	return nil
}
