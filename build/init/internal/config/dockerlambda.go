package config

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"strings"
)

// loadDockerLambda reads docker-lambda's contract:
// [flags] [handler] [event], and the DOCKER_LAMBDA_* switches.
func loadDockerLambda(args []string, env environment, instance Instance) (Config, error) {
	flags, err := parseDockerLambdaFlags(args)
	if err != nil {
		return Config{}, err
	}
	function, err := loadFunction(env, "test", 1536)
	if err != nil {
		return Config{}, err
	}
	function.Handler = first(flags.argument(0), env.get("AWS_LAMBDA_FUNCTION_HANDLER"),
		env.get("_HANDLER"), flags.defaultHandler)

	cfg := Config{
		Function: function,
		Bootstrap: Bootstrap{
			Candidates: []string{flags.bootstrap, "/var/task/bootstrap", "/opt/bootstrap"},
			Args:       flags.bootstrapArgs,
		},
		Log: Log{
			Color:               !env.has("NO_COLOR"),
			KeepCarriageReturns: env.has("DOCKER_LAMBDA_NO_MODIFY_LOGS"),
			Debug:               env.has("DOCKER_LAMBDA_DEBUG"),
		},
		NoBootstrap: env.has("DOCKER_LAMBDA_NO_BOOTSTRAP"),
		environ:     env,
		instance:    instance,
	}
	if env.has("DOCKER_LAMBDA_ENFORCE_PAYLOAD") {
		cfg.Limits = Limits{
			MaxRequest: maxRequestBytes, MaxEvent: maxEventBytes,
			MaxResponse: maxResponseBytes, MaxStream: maxStreamBytes,
		}
	}
	cfg.Mode = dockerLambdaMode(env)
	if cfg.Mode == StayOpen {
		cfg.Watch = watched(env)
	}
	cfg.Addresses, err = dockerLambdaAddresses(cfg.Mode, cfg.NoBootstrap, env)
	if err != nil {
		return Config{}, err
	}
	cfg.Event, cfg.EventOnStdin = event(flags, env)
	return cfg, cfg.addSwitches(env)
}

func dockerLambdaMode(env environment) Mode {
	switch {
	case env.has("AWS_LAMBDA_RUNTIME_API"):
		return OnLambda
	case env.has("DOCKER_LAMBDA_STAY_OPEN"):
		return StayOpen
	default:
		return SingleShot
	}
}

// event is the payload of a single shot. An empty argument is an event too:
// callers that want the default leave it out.
func event(flags dockerLambdaFlags, env environment) (payload []byte, onStdin bool) {
	switch {
	case len(flags.rest) > 1:
		return []byte(flags.rest[1]), false
	case env.has("AWS_LAMBDA_EVENT_BODY"):
		return []byte(env.get("AWS_LAMBDA_EVENT_BODY")), false
	case env.has("DOCKER_LAMBDA_USE_STDIN"):
		return nil, true
	default:
		return []byte("{}"), false
	}
}

func dockerLambdaAddresses(mode Mode, noBootstrap bool, env environment) (Addresses, error) {
	api, err := env.port("DOCKER_LAMBDA_API_PORT", "9001")
	if err != nil {
		return Addresses{}, err
	}
	runtime, err := env.port("DOCKER_LAMBDA_RUNTIME_PORT", "9001")
	if err != nil {
		return Addresses{}, err
	}
	rie, err := env.port("DOCKER_LAMBDA_RIE_PORT", "8080")
	if err != nil {
		return Addresses{}, err
	}
	local := Address{Listen: "127.0.0.1:" + runtime, Setting: "DOCKER_LAMBDA_RUNTIME_PORT"}
	shared := api == runtime
	if mode != StayOpen {
		// Nobody but the runtime calls; one that somebody else starts may
		// do so from outside the container.
		if noBootstrap && shared {
			local.Listen = ":" + runtime
		}
		return Addresses{Runtime: local}, nil
	}
	a := Addresses{API: Address{Listen: ":" + api, Setting: "DOCKER_LAMBDA_API_PORT"}}
	if !shared {
		a.Runtime = local
	}
	if rie != api || rie == "0" {
		a.RIE = Address{Listen: ":" + rie, Setting: "DOCKER_LAMBDA_RIE_PORT"}
	}
	a.HTTP, err = httpAddress(env)
	return a, err
}

type dockerLambdaFlags struct {
	bootstrap      string
	bootstrapArgs  []string
	defaultHandler string
	rest           []string
}

func (f dockerLambdaFlags) argument(i int) string {
	if i < len(f.rest) {
		return f.rest[i]
	}
	return ""
}

func parseDockerLambdaFlags(args []string) (dockerLambdaFlags, error) {
	var parsed dockerLambdaFlags
	var usage bytes.Buffer
	flags := flag.NewFlagSet("init", flag.ContinueOnError)
	flags.SetOutput(&usage)
	flags.StringVar(&parsed.bootstrap, "bootstrap", "/var/runtime/bootstrap", "the runtime's executable")
	bootstrapArgs := flags.String("bootstrap-args", "[]", "its arguments, a JSON array of strings")
	flags.StringVar(&parsed.defaultHandler, "default-handler", "handler", "the handler when none is named")
	flags.Bool("enable-msg-logs", false, "accepted, without effect")
	if err := flags.Parse(args); err != nil {
		code := 2
		if errors.Is(err, flag.ErrHelp) {
			code = 0
		}
		return parsed, &Error{Message: strings.TrimSpace(usage.String()), ExitCode: code}
	}
	if err := json.Unmarshal([]byte(*bootstrapArgs), &parsed.bootstrapArgs); err != nil {
		return parsed, &Error{
			Message:  "--bootstrap-args is not a JSON array of strings: " + *bootstrapArgs,
			ExitCode: 1,
		}
	}
	parsed.rest = flags.Args()
	return parsed, nil
}
