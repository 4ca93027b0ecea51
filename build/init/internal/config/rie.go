package config

import "strings"

// loadRIE reads the emulator's contract:
// [flags] [bootstrap [args…] [handler]].
func loadRIE(args []string, env environment, instance Instance) (Config, error) {
	flags, command, err := parseRIEFlags(args)
	if err != nil {
		return Config{}, err
	}
	function, err := loadFunction(env, "test_function", 3008)
	if err != nil {
		return Config{}, err
	}
	readinessHandler := ""
	if len(command) > 1 {
		readinessHandler = command[len(command)-1]
	}
	// The last argument is the handler only when nothing else names one, as
	// with AWS's emulator: SAM CLI starts debuggers, which have arguments of
	// their own.
	function.Handler = first(env.get("AWS_LAMBDA_FUNCTION_HANDLER"), env.get("_HANDLER"), readinessHandler)

	http, err := httpAddress(env)
	if err != nil {
		return Config{}, err
	}
	level := strings.ToLower(first(flags["log-level"], env.get("LOG_LEVEL"), "info"))
	cfg := Config{
		Mode:      RIE,
		Function:  function,
		Bootstrap: rieBootstrap(command, env.get("PATH")),
		Log: Log{
			KeepCarriageReturns: true,
			Debug:               env.has("DOCKER_LAMBDA_DEBUG"),
			ReadinessHandler:    readinessHandler,
			Quiet:               level != "info" && level != "debug" && level != "trace",
		},
		Addresses: Addresses{
			Runtime: Address{
				Listen:  first(flags["runtime-api-address"], "127.0.0.1:9001"),
				Setting: "--runtime-api-address",
			},
			RIE: Address{
				Listen:  first(flags["runtime-interface-emulator-address"], "0.0.0.0:8080"),
				Setting: "--runtime-interface-emulator-address",
			},
			HTTP: http,
		},
		Watch:    watched(env),
		Limits:   Limits{MaxResponse: maxResponseBytes, MaxStream: maxStreamBytes},
		environ:  env,
		instance: instance,
	}
	return cfg, cfg.addSwitches(env)
}

func rieBootstrap(command []string, searchPath string) Bootstrap {
	if len(command) > 0 {
		return Bootstrap{Candidates: command[:1], Args: command[1:], SearchPath: searchPath}
	}
	return Bootstrap{
		Candidates: []string{"/var/task/bootstrap", "/opt/bootstrap", "/var/runtime/bootstrap"},
		Dir:        "/var/task",
	}
}

// parseRIEFlags takes the flags in front of the command. Those it does not
// know it leaves out, so that newer callers can start an older program.
func parseRIEFlags(args []string) (flags map[string]string, command []string, err error) {
	takesValue := map[string]bool{
		"log-level":                          true,
		"runtime-api-address":                true,
		"runtime-interface-emulator-address": true,
	}
	flags = map[string]string{}
	for len(args) > 0 && strings.HasPrefix(args[0], "-") {
		if args[0] == "--" {
			return flags, args[1:], nil
		}
		name, value, given := strings.Cut(strings.TrimLeft(args[0], "-"), "=")
		args = args[1:]
		if takesValue[name] && !given {
			if len(args) == 0 {
				return nil, nil, usageError("--%s needs a value", name)
			}
			value, args = args[0], args[1:]
		}
		flags[name] = value
	}
	return flags, args, nil
}
