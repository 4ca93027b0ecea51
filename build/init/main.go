// Command init is process 1 of every image: it starts the function's runtime
// and answers the docker-lambda API, the Runtime Interface Emulator's API and
// the Lambda Runtime API.
package main

import (
	"os"
	"syscall"

	"imagemill/init/internal/app"
)

func main() {
	os.Exit(app.Main(app.Effects{
		Args:    os.Args,
		Environ: os.Environ(),
		Stdin:   os.Stdin,
		Stdout:  os.Stdout,
		Stderr:  os.Stderr,
		Signals: app.NotifySignals(),
		Exec:    syscall.Exec,
		Init:    os.Getpid() == 1,
	}))
}
