package main

import (
	"bufio"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
)

// entry is what is known of one event: small, since there are millions.
type entry struct {
	id   [16]byte // the id in the answer
	seen uint8    // how often a runtime got it, up to 255
	flag uint8
}

// Flags of an entry.
const (
	isAnswered = 1 << iota
	// oddID: the id in the answer is no UUID.
	oddID
)

func (e *entry) answered(callID []byte) {
	e.flag |= isAnswered
	id, ok := parseID(string(callID))
	if !ok {
		e.flag |= oddID
	}
	e.id = id
}

// parseID reads a request id, which is 32 hexadecimal digits in groups.
func parseID(text string) (id [16]byte, ok bool) {
	raw, err := hex.DecodeString(strings.ReplaceAll(text, "-", ""))
	if err != nil || len(raw) != len(id) {
		return id, false
	}
	return [16]byte(raw), true
}

// audit holds what the runtimes got against what the clients were answered.
// An event that ended without an answer may be missing in the ledger: it is
// counted already.
func audit(path string, soakers []*soaker, result *soakResult) error {
	file, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("no runtime has written the ledger %s: start the emulator with BENCH_LEDGER", path)
	}
	if err != nil {
		return err
	}
	defer file.Close()
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		if err := account(lines.Text(), soakers, result); err != nil {
			return err
		}
	}
	if err := lines.Err(); err != nil {
		return err
	}
	for number, s := range soakers {
		for serial, e := range s.entries {
			if e.flag&isAnswered != 0 && e.seen == 0 {
				result.Faults.NotRun++
				result.examples([]string{fmt.Sprintf("event %d of client %d was answered but never run", serial, number)})
			}
		}
	}
	return nil
}

// account takes one line of the ledger: a nonce and the id that came with it.
func account(line string, soakers []*soaker, result *soakResult) error {
	nonce, text, _ := strings.Cut(line, " ")
	client, serial, ok := splitNonce(nonce)
	id, valid := parseID(text)
	if !ok || !valid || client >= len(soakers) || serial >= int64(len(soakers[client].entries)) {
		return fmt.Errorf("the ledger has a line that no event of this soak explains: %.100q", line)
	}
	e := &soakers[client].entries[serial]
	if e.seen < 255 {
		e.seen++
	}
	if e.seen == 2 {
		result.Faults.RunTwice++
		result.examples([]string{"the event " + nonce + " reached a runtime twice"})
	}
	if e.flag&isAnswered != 0 && (e.flag&oddID != 0 || e.id != id) {
		result.Faults.Swapped++
		result.examples([]string{fmt.Sprintf("the event %s ran as %s but was answered as %x", nonce, text, e.id)})
	}
	return nil
}
