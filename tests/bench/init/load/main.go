// Command load is the Go half of the init's benchmark: a runtime client that
// echoes, a load generator that checks every answer, a stopwatch for cold
// starts, and the client of the soak. It speaks HTTP with code of its own, so
// that it costs as little as possible of what it measures.
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
)

// command is one sub-command: it reads its flags from the arguments.
type command func(args []string) error

var commands = map[string]command{
	"echo":  runEcho,
	"load":  runLoad,
	"first": runFirst,
	"soak":  runSoak,
}

func main() {
	// An emulator starts a runtime by a path alone, so a link that is named
	// bootstrap is the runtime client.
	if filepath.Base(os.Args[0]) == "bootstrap" {
		finish(runEcho(nil))
	}
	if len(os.Args) < 2 || commands[os.Args[1]] == nil {
		fmt.Fprintln(os.Stderr, "usage: load echo | load | first | soak [flags]; each sub-command explains itself with -h")
		os.Exit(2)
	}
	finish(commands[os.Args[1]](os.Args[2:]))
}

// finish ends the program: 0 when all went well, 2 when it was used wrongly or
// could not do its work. What was measured never sets the exit code.
func finish(err error) {
	switch {
	case err == nil, errors.Is(err, flag.ErrHelp):
		os.Exit(0)
	default:
		fmt.Fprintln(os.Stderr, "load:", err)
		os.Exit(2)
	}
}

// print writes the result of a sub-command as one line of JSON.
func print(result any) error {
	line, err := json.Marshal(result)
	if err != nil {
		return fmt.Errorf("the result cannot be written as JSON: %w", err)
	}
	_, err = fmt.Println(string(line))
	return err
}
