package config

import (
	"strconv"
	"strings"
	"time"

	"imagemill/init/internal/httpevent"
	"imagemill/init/internal/platformlog"
)

// addSwitches reads what both contracts have in common: the switches that are
// this program's own, and those of Lambda itself.
func (c *Config) addSwitches(env environment) error {
	for _, add := range []func(environment) error{
		c.addConcurrency, c.addLimits, c.addLogFormat, c.addRetries, c.addHTTP,
	} {
		if err := add(env); err != nil {
			return err
		}
	}
	c.WatchPoll = env.has("DOCKER_LAMBDA_WATCH_POLL")
	return nil
}

func (c *Config) addConcurrency(env environment) error {
	var err error
	if c.Environments, err = env.number("DOCKER_LAMBDA_CONCURRENCY", 1, 1, "environments"); err != nil {
		return err
	}
	if c.SideBySide, err = env.number("AWS_LAMBDA_MAX_CONCURRENCY", 1, 1, "invocations"); err != nil {
		return err
	}
	c.Throttle = env.has("DOCKER_LAMBDA_THROTTLE")
	if managed := env.has("AWS_LAMBDA_MAX_CONCURRENCY"); managed && c.Mode == RIE {
		// As the emulator in its mode for managed instances.
		c.CallersID, c.Log.JSON = true, true
	}
	if c.NoBootstrap && c.Environments > 1 {
		return usageError("DOCKER_LAMBDA_CONCURRENCY and DOCKER_LAMBDA_NO_BOOTSTRAP exclude each other: " +
			"a runtime that somebody else starts makes one environment")
	}
	return nil
}

func (c *Config) addLimits(env environment) error {
	c.Limits.Suspended = env.has("DOCKER_LAMBDA_NO_TIMEOUT")
	if env.has("DOCKER_LAMBDA_ENFORCE_MEMORY") {
		c.Limits.Memory = int64(c.Function.MemorySize) << 20
	}
	return nil
}

func (c *Config) addLogFormat(env environment) error {
	switch format := env.get("AWS_LAMBDA_LOG_FORMAT"); strings.ToLower(format) {
	case "":
	case "text":
		c.Log.JSON = false
	case "json":
		c.Log.JSON = true
	default:
		return usageError("AWS_LAMBDA_LOG_FORMAT is neither Text nor JSON: %q", format)
	}
	level := first(env.get("DOCKER_LAMBDA_SYSTEM_LOG_LEVEL"), "INFO")
	var known bool
	if c.Log.Level, known = platformlog.ParseLevel(level); !known {
		return usageError("DOCKER_LAMBDA_SYSTEM_LOG_LEVEL is none of DEBUG, INFO and WARN: %q", level)
	}
	return nil
}

// retryDelays are Lambda's waits before it tries an event again.
const retryDelays = "60,120"

// addRetries reads seconds, with commas between them; "none" is no retry.
func (c *Config) addRetries(env environment) error {
	text := first(env.get("DOCKER_LAMBDA_RETRY_DELAYS"), retryDelays)
	if text == "none" {
		return nil
	}
	for _, item := range strings.Split(text, ",") {
		seconds, err := strconv.ParseFloat(strings.TrimSpace(item), 64)
		if err != nil || seconds < 0 || seconds > maxRetryDelay {
			return usageError("DOCKER_LAMBDA_RETRY_DELAYS is not a list of seconds such as %q, or \"none\": %q",
				retryDelays, text)
		}
		c.RetryDelays = append(c.RetryDelays, time.Duration(seconds*float64(time.Second)))
	}
	return nil
}

// maxRetryDelay is how old an event may get on Lambda, in seconds.
const maxRetryDelay = 21600

// httpAddress is where HTTP requests that become events are taken, if they
// are.
func httpAddress(env environment) (Address, error) {
	if !env.has("DOCKER_LAMBDA_HTTP_EVENT") {
		return Address{}, nil
	}
	port, err := env.port("DOCKER_LAMBDA_HTTP_PORT", "8000")
	return Address{Listen: ":" + port, Setting: "DOCKER_LAMBDA_HTTP_PORT"}, err
}

func (c *Config) addHTTP(env environment) error {
	word := env.get("DOCKER_LAMBDA_HTTP_EVENT")
	if word == "" {
		return nil
	}
	kind, err := httpevent.ParseKind(word)
	if err != nil {
		return usageError("DOCKER_LAMBDA_HTTP_EVENT: %v", err)
	}
	routes, err := httpevent.ParseRoutes(env.get("DOCKER_LAMBDA_HTTP_ROUTES"))
	if err != nil {
		return usageError("DOCKER_LAMBDA_HTTP_ROUTES: %v", err)
	}
	variables, err := stageVariables(env.get("DOCKER_LAMBDA_HTTP_STAGE_VARIABLES"))
	if err != nil {
		return err
	}
	c.HTTP = HTTP{
		On:        c.Mode != SingleShot && c.Mode != OnLambda,
		Streaming: kind == httpevent.FunctionURL && env.has("DOCKER_LAMBDA_HTTP_STREAMING"),
		Settings: httpevent.Settings{
			Kind:           kind,
			AccountID:      c.Function.AccountID,
			Region:         c.Function.Region,
			FunctionARN:    c.Function.ARN,
			APIID:          env.get("DOCKER_LAMBDA_HTTP_API_ID"),
			Stage:          env.get("DOCKER_LAMBDA_HTTP_STAGE"),
			StageVariables: variables,
			Routes:         routes,
			MultiValue:     env.has("DOCKER_LAMBDA_HTTP_MULTI_VALUE"),
			BinaryTypes:    words(env.get("DOCKER_LAMBDA_HTTP_BINARY_TYPES")),
		},
	}
	return nil
}

// stageVariables reads name=value, with commas between them.
func stageVariables(text string) (map[string]string, error) {
	var variables map[string]string
	for _, item := range words(text) {
		name, value, ok := strings.Cut(item, "=")
		if !ok || name == "" {
			return nil, usageError("DOCKER_LAMBDA_HTTP_STAGE_VARIABLES is not a list of name=value: %q", item)
		}
		if variables == nil {
			variables = map[string]string{}
		}
		variables[name] = value
	}
	return variables, nil
}

// words are the items of a list with commas.
func words(text string) []string {
	var list []string
	for _, item := range strings.Split(text, ",") {
		if item = strings.TrimSpace(item); item != "" {
			list = append(list, item)
		}
	}
	return list
}
