package app

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"imagemill/init/internal/config"
	"imagemill/init/internal/process"
)

// missingBootstrap is that none of the candidates is there.
type missingBootstrap struct{ looked []string }

func (e *missingBootstrap) Error() string {
	return fmt.Sprintf("Couldn't find valid bootstrap(s): %v", e.looked)
}

// launcher returns what starts a runtime that talks to the Runtime API at
// address.
func (p *program) launcher(supervisor *process.Supervisor, address string) func(*process.Tail) (*process.Child, error) {
	environ := p.cfg.RuntimeEnvironment(address)
	return func(tail *process.Tail) (*process.Child, error) {
		path, err := p.findBootstrap()
		if err != nil {
			return nil, err
		}
		stdout, stderr := p.sinks(tail)
		return supervisor.Start(process.Spec{
			Path:   path,
			Args:   p.cfg.Bootstrap.Args,
			Env:    environ,
			Dir:    p.cfg.Bootstrap.Dir,
			Stdout: stdout,
			Stderr: stderr,
		})
	}
}

// sinks are where the runtime's output goes: together to where the platform's
// lines go, but apart where docker-lambda keeps it apart.
func (p *program) sinks(tail *process.Tail) (stdout, stderr *process.Sink) {
	fix := !p.cfg.Log.KeepCarriageReturns
	switch p.cfg.Mode {
	case config.StayOpen:
		return process.NewSink(p.fx.Stdout, fix, tail), process.NewSink(p.fx.Stderr, fix, tail)
	case config.RIE:
		both := process.NewSink(p.fx.Stdout, fix, tail)
		return both, both
	default:
		both := process.NewSink(p.fx.Stderr, fix, tail)
		return both, both
	}
}

// findBootstrap returns the first candidate that is a file. Whether it can be
// executed is found out by doing so: then the error says what is wrong.
func (p *program) findBootstrap() (string, error) {
	candidates := p.cfg.Bootstrap.Candidates
	for _, candidate := range candidates {
		if !strings.Contains(candidate, "/") {
			candidate = lookUp(candidate, p.cfg.Bootstrap.SearchPath)
		}
		if isFile(candidate) {
			return candidate, nil
		}
	}
	if p.cfg.Mode != config.RIE {
		// docker-lambda names the fallbacks alone.
		candidates = candidates[1:]
	}
	return "", &missingBootstrap{candidates}
}

func lookUp(name, searchPath string) string {
	for _, dir := range filepath.SplitList(searchPath) {
		if path := filepath.Join(dir, name); isFile(path) {
			return path
		}
	}
	return name
}

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && !info.IsDir()
}

// startErrorType names an error of the launcher for the caller.
func (p *program) startErrorType(err error) string {
	var missing *missingBootstrap
	if errors.As(err, &missing) && p.cfg.Mode != config.RIE {
		return "exitError"
	}
	return "Runtime.InvalidEntrypoint"
}

// handOver becomes the runtime: the Runtime API is there already.
func (p *program) handOver() int {
	path, err := p.findBootstrap()
	if err == nil {
		args := append([]string{path}, p.cfg.Bootstrap.Args...)
		err = p.fx.Exec(path, args, p.cfg.RuntimeEnvironment(""))
	}
	p.complain("The runtime could not be started: %v", err)
	return exitFailure
}
