// Package app puts the parts together: it runs the program in the mode that
// its configuration asks for, and returns its exit code.
package app

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"imagemill/init/internal/config"
	"imagemill/init/internal/engine"
	"imagemill/init/internal/platformlog"
	"imagemill/init/internal/process"
	"imagemill/init/internal/runtimeapi"
)

// Effects are the program's ways to the outside.
type Effects struct {
	Args    []string
	Environ []string
	Stdin   io.Reader
	Stdout  io.Writer
	Stderr  io.Writer
	Signals <-chan os.Signal
	// Exec replaces the program by another.
	Exec func(path string, args, environ []string) error
	// Init is whether the program is process 1, and so gets the orphans.
	Init bool
	// Listening, unless nil, is told where the program listens.
	Listening func(Listening)
}

// Listening are the addresses that are open; empty for those that are not.
type Listening struct{ API, Runtime, RIE string }

// Exit codes.
const (
	exitOK      = 0
	exitFailure = 1
	exitUsage   = 2
)

// NotifySignals returns the signals that the program acts on.
func NotifySignals() <-chan os.Signal {
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP)
	// Taken, and dropped: a log reader that has gone must not end the
	// program. To ignore the signal would be inherited by the runtime.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	return signals
}

// Main runs the program and returns its exit code.
func Main(fx Effects) int {
	cfg, err := config.Load(fx.Args, fx.Environ, config.Instance{Started: time.Now(), ID: randomHex(16)})
	if err != nil {
		fmt.Fprintln(fx.Stderr, err)
		var mistake *config.Error
		if errors.As(err, &mistake) {
			return mistake.ExitCode
		}
		return exitFailure
	}
	p := newProgram(cfg, fx)
	switch cfg.Mode {
	case config.OnLambda:
		return p.handOver()
	case config.SingleShot:
		return p.singleShot()
	default:
		return p.serve()
	}
}

// program is one run.
type program struct {
	cfg    config.Config
	fx     Effects
	log    *platformlog.Logger
	stdout *process.Sink
}

func newProgram(cfg config.Config, fx Effects) *program {
	p := &program{cfg: cfg, fx: fx}
	if cfg.Mode == config.RIE {
		p.log = platformlog.New(fx.Stdout, cfg.Log.Color)
	} else {
		p.log = platformlog.New(fx.Stderr, cfg.Log.Color)
	}
	return p
}

// debug writes a line for those who look for a fault.
func (p *program) debug(format string, args ...any) {
	if p.cfg.Log.Debug {
		fmt.Fprintf(p.fx.Stderr, "debug: "+format+"\n", args...)
	}
}

// complain writes a line for people.
func (p *program) complain(format string, args ...any) {
	fmt.Fprintf(p.fx.Stderr, format+"\n", args...)
}

// runtimeServer is the Runtime API in the contract's dialect.
func (p *program) runtimeServer() *runtimeapi.Server {
	dialect := runtimeapi.DockerLambda
	if p.cfg.Mode == config.RIE {
		dialect = runtimeapi.Emulator
	}
	return runtimeapi.NewServer(dialect, p.cfg.MaxResponse)
}

// minInitTimeout is what Lambda gives the init phase; functions that may run
// longer may also start longer.
const minInitTimeout = 10 * time.Second

// newEngine returns an engine whose runtimes talk to the Runtime API at
// address.
func (p *program) newEngine(api *runtimeapi.Server, supervisor *process.Supervisor, address string) *engine.Engine {
	settings := engine.Settings{
		FunctionARN:     p.cfg.Function.ARN,
		FunctionVersion: p.cfg.Function.Version,
		MemorySize:      p.cfg.Function.MemorySize,
		Timeout:         p.cfg.Function.Timeout,
		InitTimeout:     max(p.cfg.Function.Timeout, minInitTimeout),
		MaxResponse:     p.cfg.MaxResponse,
		StartErrorType:  p.startErrorType,
		Log:             p.log,
		Debug:           p.debug,
	}
	if !p.cfg.NoBootstrap {
		settings.Launch = p.launcher(supervisor, address)
	}
	return engine.New(settings, api)
}
