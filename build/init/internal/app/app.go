// Package app puts the parts together: it runs the program in the mode that
// its configuration asks for, and returns its exit code.
package app

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"syscall"
	"time"

	"imagemill/init/internal/config"
	"imagemill/init/internal/engine"
	"imagemill/init/internal/extension"
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
	// Extensions is where external extensions are; empty is their usual place.
	Extensions string
	// InitTimeout bounds the init phase; 0 is what Lambda gives it.
	InitTimeout time.Duration
	// Listening, unless nil, is told where the program listens.
	Listening func(Listening)
}

// Listening are the addresses that are open; empty for those that are not.
type Listening struct{ API, Runtime, RIE, HTTP string }

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
	cfg, err := config.Load(fx.Args, fx.Environ, config.Instance{Started: time.Now(), ID: newInstanceID()})
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
	cfg config.Config
	fx  Effects
	log *platformlog.Logger
}

func newProgram(cfg config.Config, fx Effects) *program {
	to := fx.Stderr
	if cfg.Mode == config.RIE {
		to = fx.Stdout
	}
	format := platformlog.Format{Color: cfg.Log.Color, JSON: cfg.Log.JSON, Level: cfg.Log.Level}
	return &program{cfg: cfg, fx: fx, log: platformlog.New(to, format)}
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

// newPlace is where an environment's processes find their APIs, in the
// contract's dialect.
func (p *program) newPlace(address string) *engine.Place {
	dialect := runtimeapi.DockerLambda
	if p.cfg.Mode == config.RIE {
		dialect = runtimeapi.Emulator
	}
	return &engine.Place{
		API: runtimeapi.NewServer(runtimeapi.Settings{
			Dialect:     dialect,
			Several:     p.cfg.SideBySide > 1,
			MaxResponse: p.cfg.Limits.MaxResponse,
			MaxStream:   p.cfg.Limits.MaxStream,
		}),
		Address: address,
	}
}

// initTimeout is what Lambda gives the init phase.
const initTimeout = 10 * time.Second

// newEngine returns an engine whose first environment is at place; further
// ones get listeners of their own.
func (p *program) newEngine(place *engine.Place, supervisor *process.Supervisor, srv *servers) *engine.Engine {
	f := p.cfg.Function
	settings := engine.Settings{
		FunctionARN:  f.ARN,
		Function:     extension.Function{Name: f.Name, Version: f.Version, Handler: f.Handler, AccountID: f.AccountID},
		MemorySize:   f.MemorySize,
		Timeout:      f.Timeout,
		InitTimeout:  cmp.Or(p.fx.InitTimeout, initTimeout),
		Suspended:    p.cfg.Limits.Suspended,
		MaxResponse:  p.cfg.Limits.MaxResponse,
		MemoryLimit:  p.cfg.Limits.Memory,
		Environments: p.cfg.Environments,
		SideBySide:   p.cfg.SideBySide,
		Throttle:     p.cfg.Throttle,
		NewPlace: func() (*engine.Place, error) {
			listener, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				return nil, fmt.Errorf("no port for another environment: %w", err)
			}
			place := p.newPlace(localAddress(listener))
			srv.servePlace(listener, place)
			return place, nil
		},
		LaunchExtension: p.extensionLauncher(supervisor),
		Extensions:      p.findExtensions,
		StartErrorType:  p.startErrorType,
		RetryDelays:     p.cfg.RetryDelays,
		Log:             p.log,
		NewID:           p.newRequestID,
		Debug:           p.debug,
	}
	if !p.cfg.NoBootstrap {
		settings.Launch = p.launcher(supervisor)
	}
	return engine.New(settings, place)
}
