package app

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"imagemill/init/internal/config"
	"imagemill/init/internal/engine"
	"imagemill/init/internal/extension"
	"imagemill/init/internal/process"
	"imagemill/init/internal/telemetry"
)

// missingBootstrap is that none of the candidates is there.
type missingBootstrap struct{ looked []string }

func (e *missingBootstrap) Error() string {
	return fmt.Sprintf("Couldn't find valid bootstrap(s): %v", e.looked)
}

// launcher returns what starts a runtime.
func (p *program) launcher(supervisor *process.Supervisor) func(engine.Launch) (*process.Child, error) {
	return func(l engine.Launch) (*process.Child, error) {
		path, err := p.findBootstrap()
		if err != nil {
			return nil, err
		}
		stdout, stderr := p.sinks(l, telemetry.Function)
		return supervisor.Start(process.Spec{
			Path:   path,
			Args:   p.cfg.Bootstrap.Args,
			Env:    p.cfg.RuntimeEnvironment(l.Address),
			Dir:    p.cfg.Bootstrap.Dir,
			Stdout: stdout,
			Stderr: stderr,
		})
	}
}

// extensionLauncher returns what starts an external extension.
func (p *program) extensionLauncher(supervisor *process.Supervisor) func(string, engine.Launch) (*process.Child, error) {
	return func(path string, l engine.Launch) (*process.Child, error) {
		stdout, stderr := p.sinks(l, telemetry.Extension)
		return supervisor.Start(process.Spec{
			Path:   path,
			Env:    p.cfg.ExtensionEnvironment(l.Address),
			Dir:    "/",
			Stdout: stdout,
			Stderr: stderr,
		})
	}
}

func (p *program) findExtensions() []string {
	if p.fx.Extensions != "" {
		return extension.Find(p.fx.Extensions, "")
	}
	return extension.Find(extension.Directory, extension.DisableFile)
}

// sinks are where a process's output goes: together to where the platform's
// lines go, but apart where docker-lambda keeps it apart. Whoever has
// subscribed to it gets its lines, too.
func (p *program) sinks(l engine.Launch, kind telemetry.Kind) (stdout, stderr *process.Sink) {
	fix := !p.cfg.Log.KeepCarriageReturns
	sink := func(w io.Writer) *process.Sink {
		lines := telemetry.NewLines(func(line []byte) { l.Bus.Line(kind, line) })
		return process.NewSink(w, fix, l.Tail, process.Lines{
			Wanted: func() bool { return l.Bus.Wants(kind) }, Take: lines,
		})
	}
	switch p.cfg.Mode {
	case config.StayOpen:
		return sink(p.fx.Stdout), sink(p.fx.Stderr)
	case config.RIE:
		both := sink(p.fx.Stdout)
		return both, both
	default:
		both := sink(p.fx.Stderr)
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
