package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestEvent(t *testing.T) {
	for _, size := range []int{smallestEvent(doEcho), 100, largeEvent} {
		event, err := newEvent(doEcho, size)
		if err != nil {
			t.Fatal(err)
		}
		setNonce(event, 12, 345)
		nonce, do, ok := nonceOf(event)
		client, serial, split := splitNonce(nonce)
		if len(event) != size || !json.Valid(event) || !ok || !split || do != doEcho || client != 12 || serial != 345 {
			t.Errorf("%d bytes: found %d bytes, %q, %q, %d, %d: %.90q", size, len(event), nonce, do, client, serial, event)
		}
	}
	for _, size := range []int{0, -1, smallestEvent(doEcho) - 1, maxBody + 1} {
		if _, err := newEvent(doEcho, size); err == nil {
			t.Errorf("%d bytes: expected an error", size)
		}
	}
}

func TestNoncesHaveRoom(t *testing.T) {
	event, err := newEvent(doEcho, 100)
	if err != nil {
		t.Fatal(err)
	}
	setNonce(event, maxClients, maxSerial)
	nonce, _, _ := nonceOf(event)
	if client, serial, _ := splitNonce(nonce); client != maxClients || serial != maxSerial {
		t.Errorf("found %d and %d in %q", client, serial, nonce)
	}
}

func FuzzNonceOf(f *testing.F) {
	event, err := newEvent(doTimeout, 100)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(event)
	f.Add([]byte(eventStart))
	f.Add([]byte(`{"nonce": "0001-0000000001", "do": "` + strings.Repeat("x", 99)))
	f.Fuzz(func(t *testing.T, data []byte) {
		nonce, do, ok := nonceOf(data)
		if !ok {
			return
		}
		if _, _, split := splitNonce(nonce); !split || !bytes.Contains(data, []byte(nonce)) || !bytes.Contains(data, []byte(do)) {
			t.Errorf("%q and %q do not come from %q", nonce, do, data)
		}
	})
}

func TestSummarise(t *testing.T) {
	hundred := make(latencies, 100)
	for i := range hundred {
		hundred[i] = int64(100-i) * 1000
	}
	for name, test := range map[string]struct {
		times latencies
		want  summary
	}{
		"none":    {nil, summary{}},
		"one":     {latencies{1500}, summary{1.5, 1.5, 1.5, 1.5}},
		"two":     {latencies{2000, 1000}, summary{1, 2, 2, 2}},
		"hundred": {hundred, summary{50, 90, 99, 100}},
	} {
		if got := test.times.summarise(); got != test.want {
			t.Errorf("%s: expected %+v, found %+v", name, test.want, got)
		}
	}
}

func TestJudge(t *testing.T) {
	const id = "7d444840-9dc0-11d1-b245-5ffdce74fad2"
	event := func(do string) []byte {
		made, err := newEvent(do, 120)
		if err != nil {
			t.Fatal(err)
		}
		setNonce(made, 3, 4)
		return made
	}
	failed := func(kind, message string) *answer {
		body, err := json.Marshal(failure{kind, message})
		if err != nil {
			t.Fatal(err)
		}
		return &answer{status: 200, callID: []byte(id), functionError: []byte("Unhandled"), body: body}
	}
	good := &answer{status: 200, callID: []byte(id), body: event(doEcho)}
	without := func(change func(*answer)) *answer {
		changed := *good
		change(&changed)
		return &changed
	}
	tests := []struct {
		name string
		do   string
		got  *answer
		took time.Duration
		fail string
	}{
		{name: "echo", do: doEcho, got: good},
		{name: "another's echo", do: doEcho, got: without(func(a *answer) { a.body = bytes.Replace(a.body, []byte("3-"), []byte("4-"), 1) }), fail: "not the event"},
		{name: "short echo", do: doEcho, got: without(func(a *answer) { a.body = a.body[1:] }), fail: "not the event"},
		{name: "echo with error", do: doEcho, got: without(func(a *answer) { a.functionError = []byte("X") }), fail: "X-Amz-Function-Error"},
		{name: "status", do: doEcho, got: without(func(a *answer) { a.status = 502 }), fail: "status 502"},
		{name: "no id", do: doEcho, got: without(func(a *answer) { a.callID = nil }), fail: "x-amzn-RequestId"},
		{name: "error", do: doError, got: failed("BenchError", "asked for by 0003-0000000004")},
		{name: "another's error", do: doError, got: failed("BenchError", "asked for by 0003-0000000005"), fail: "expected"},
		{name: "error without header", do: doError, got: good, fail: "no X-Amz-Function-Error"},
		{name: "error without JSON", do: doError, got: &answer{status: 200, callID: []byte(id), functionError: []byte("x"), body: []byte("x")}, fail: "no error in JSON"},
		{name: "timeout", do: doTimeout, got: failed("", "2026-01-01T00:00:00Z "+id+" Task timed out after 1.00 seconds"), took: time.Second},
		{name: "early timeout", do: doTimeout, got: failed("", id+" Task timed out after 1.00 seconds"), took: time.Millisecond, fail: "already"},
		{name: "timeout of another length", do: doTimeout, got: failed("", id+" Task timed out after 2.00 seconds"), took: time.Second, fail: "does not end"},
		{name: "another's timeout", do: doTimeout, got: failed("", "Task timed out after 1.00 seconds"), took: time.Second, fail: "does not hold"},
		{name: "exit", do: doExit, got: failed("Runtime.ExitError", "RequestId: "+id+" Error: exit status 42")},
		{name: "another's exit", do: doExit, got: failed("Runtime.ExitError", "RequestId: x"), fail: "does not hold"},
		{name: "exit called timeout", do: doExit, got: failed("Sandbox.Timedout", id), fail: "errorType"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			err := judge(test.do, event(test.do), test.got, test.took, time.Second)
			if (err == nil) != (test.fail == "") || (err != nil && !strings.Contains(err.Error(), test.fail)) {
				t.Errorf("expected an error with %q, found %v", test.fail, err)
			}
		})
	}
}

func TestAudit(t *testing.T) {
	id := func(n int) string { return fmt.Sprintf("00000000-0000-1000-8000-%012d", n) }
	line := func(client, serial, n int) string { return fmt.Sprintf("%04d-%010d %s\n", client, serial, id(n)) }
	whole := line(0, 0, 1) + line(0, 1, 2) + line(1, 0, 3)
	tests := []struct {
		name   string
		ledger string
		want   faults
		fail   string
	}{
		{name: "all is well", ledger: whole},
		{name: "an event that got no answer", ledger: whole + line(1, 1, 4)},
		{name: "run twice", ledger: whole + line(0, 1, 2), want: faults{RunTwice: 1}},
		{name: "run three times", ledger: whole + line(0, 1, 2) + line(0, 1, 2), want: faults{RunTwice: 1}},
		{name: "never run", ledger: line(0, 0, 1) + line(1, 0, 3), want: faults{NotRun: 1}},
		{name: "swapped", ledger: line(0, 0, 2) + line(0, 1, 1) + line(1, 0, 3), want: faults{Swapped: 2}},
		{name: "unknown client", ledger: line(9, 0, 1), fail: "no event of this soak"},
		{name: "unknown event", ledger: line(0, 9, 1), fail: "no event of this soak"},
		{name: "no id", ledger: "0000-0000000000\n", fail: "no event of this soak"},
		{name: "rubbish", ledger: "rubbish\n", fail: "no event of this soak"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			soakers := []*soaker{{entries: make([]entry, 2)}, {entries: make([]entry, 2)}}
			soakers[0].entries[0].answered([]byte(id(1)))
			soakers[0].entries[1].answered([]byte(id(2)))
			soakers[1].entries[0].answered([]byte(id(3)))
			path := filepath.Join(t.TempDir(), "ledger")
			if err := os.WriteFile(path, []byte(test.ledger), 0o644); err != nil {
				t.Fatal(err)
			}
			var result soakResult
			err := audit(path, soakers, &result)
			if (err == nil) != (test.fail == "") || (err != nil && !strings.Contains(err.Error(), test.fail)) {
				t.Fatalf("expected an error with %q, found %v", test.fail, err)
			}
			if err == nil && result.Faults != test.want {
				t.Errorf("expected %+v, found %+v", test.want, result.Faults)
			}
		})
	}
	if err := audit(filepath.Join(t.TempDir(), "none"), nil, &soakResult{}); err == nil {
		t.Error("a missing ledger: expected an error")
	}
}
