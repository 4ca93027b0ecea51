package config

import (
	"slices"
	"sort"
	"strconv"
	"strings"
	"time"
)

// environment is the container's environment. An empty value counts as none:
// `-e NAME=` is how callers unset what the image sets.
type environment map[string]string

func parseEnvironment(environ []string) environment {
	env := make(environment, len(environ))
	for _, entry := range environ {
		if name, value, ok := strings.Cut(entry, "="); ok {
			env[name] = value
		}
	}
	return env
}

func (e environment) get(name string) string { return e[name] }

func (e environment) has(name string) bool { return e[name] != "" }

func (e environment) port(name, fallback string) (string, error) {
	value := first(e.get(name), fallback)
	if n, err := strconv.Atoi(value); err != nil || n < 0 || n > 65535 {
		return "", usageError("%s is not a port: %q", name, value)
	}
	return value, nil
}

// number reads a whole number of at least least.
func (e environment) number(name string, fallback, least int, unit string) (int, error) {
	if !e.has(name) {
		return fallback, nil
	}
	n, err := strconv.Atoi(e.get(name))
	if err != nil || n < least {
		return 0, usageError("%s is not a number of %s: %q", name, unit, e.get(name))
	}
	return n, nil
}

// watched are the directories that the function's files are in.
func watched(env environment) []string {
	if !env.has("DOCKER_LAMBDA_WATCH") {
		return nil
	}
	return []string{first(env.get("LAMBDA_TASK_ROOT"), "/var/task"), "/opt"}
}

func first(values ...string) string {
	for _, value := range values {
		if value != "" {
			return value
		}
	}
	return ""
}

// defaultAccount stands in for AWS_ACCOUNT_ID; always the same one, so that
// the function's ARN is.
const defaultAccount = "012345678912"

func loadFunction(env environment, defaultName string, defaultMemory int) (Function, error) {
	seconds, err := env.number("AWS_LAMBDA_FUNCTION_TIMEOUT", 300, 1, "seconds")
	if err != nil {
		return Function{}, err
	}
	memory, err := env.number("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", defaultMemory, 1, "megabytes")
	if err != nil {
		return Function{}, err
	}
	f := Function{
		Name:            first(env.get("AWS_LAMBDA_FUNCTION_NAME"), defaultName),
		Version:         first(env.get("AWS_LAMBDA_FUNCTION_VERSION"), "$LATEST"),
		MemorySize:      memory,
		Timeout:         time.Duration(seconds) * time.Second,
		Region:          first(env.get("AWS_REGION"), env.get("AWS_DEFAULT_REGION"), "us-east-1"),
		TraceID:         env.get("_X_AMZN_TRACE_ID"),
		ClientContext:   env.get("AWS_LAMBDA_CLIENT_CONTEXT"),
		CognitoIdentity: env.get("AWS_LAMBDA_COGNITO_IDENTITY"),
	}
	f.AccountID = first(env.get("AWS_ACCOUNT_ID"), defaultAccount)
	f.ARN = first(env.get("AWS_LAMBDA_FUNCTION_INVOKED_ARN"),
		"arn:aws:lambda:"+f.Region+":"+f.AccountID+":function:"+f.Name)
	return f, nil
}

// internalVariables are the platform's own: Lambda does not show them to a
// runtime, though docker-lambda's images carry some of them.
var internalVariables = [...]string{
	"_LAMBDA_SB_ID", "_LAMBDA_LOG_FD", "_LAMBDA_SHARED_MEM_FD",
	"_LAMBDA_CONTROL_SOCKET", "_LAMBDA_DIRECT_INVOKE_SOCKET",
	"_LAMBDA_RUNTIME_LOAD_TIME", "_LAMBDA_CONSOLE_SOCKET",
	"_LAMBDA_TELEMETRY_API_PASSPHRASE", "AWS_LAMBDA_EVENT_BODY",
}

// RuntimeEnvironment is the environment of the runtime: the container's, less
// what is the init's own, plus what Lambda sets. api is the Runtime API's
// host and port.
func (c Config) RuntimeEnvironment(api string) []string {
	env := make(environment, len(c.environ)+16)
	for name, value := range c.environ {
		if !strings.HasPrefix(name, "DOCKER_LAMBDA_") {
			env[name] = value
		}
	}
	for _, name := range internalVariables {
		delete(env, name)
	}
	if c.Mode != OnLambda {
		c.addFunction(env, api)
		c.addCredentials(env)
	}
	if c.Function.Handler != "" {
		env["_HANDLER"] = c.Function.Handler
	}
	return env.list()
}

// hiddenFromExtensions are variables of the runtime alone, by Lambda's
// documentation; as are those that begin with an underscore, in its emulator.
var hiddenFromExtensions = [...]string{
	"AWS_EXECUTION_ENV", "AWS_LAMBDA_LOG_GROUP_NAME", "AWS_LAMBDA_LOG_STREAM_NAME",
	"AWS_XRAY_CONTEXT_MISSING", "AWS_XRAY_DAEMON_ADDRESS", "LAMBDA_RUNTIME_DIR", "LAMBDA_TASK_ROOT",
}

// ExtensionEnvironment is the environment of an external extension.
func (c Config) ExtensionEnvironment(api string) []string {
	return slices.DeleteFunc(c.RuntimeEnvironment(api), func(entry string) bool {
		name, _, _ := strings.Cut(entry, "=")
		return name[0] == '_' || slices.Contains(hiddenFromExtensions[:], name)
	})
}

func (c Config) addFunction(env environment, api string) {
	f := c.Function
	env["AWS_LAMBDA_RUNTIME_API"] = api
	env["AWS_LAMBDA_FUNCTION_NAME"] = f.Name
	env["AWS_LAMBDA_FUNCTION_VERSION"] = f.Version
	env["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"] = strconv.Itoa(f.MemorySize)
	env["AWS_REGION"] = f.Region
	env["AWS_DEFAULT_REGION"] = f.Region
	setDefault(env, "AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand")
	group := "/aws/lambda/" + f.Name
	stream := c.instance.Started.UTC().Format("2006/01/02/") + "[" + f.Version + "]" + c.instance.ID
	if c.Mode == RIE {
		// The emulator's callers (SAM CLI) name the log themselves.
		setDefault(env, "AWS_LAMBDA_LOG_GROUP_NAME", group)
		setDefault(env, "AWS_LAMBDA_LOG_STREAM_NAME", stream)
		return
	}
	env["AWS_LAMBDA_LOG_GROUP_NAME"] = group
	env["AWS_LAMBDA_LOG_STREAM_NAME"] = stream
}

func (c Config) addCredentials(env environment) {
	given := c.environ
	if c.Mode == RIE {
		env["AWS_ACCESS_KEY_ID"] = given.get("AWS_ACCESS_KEY_ID")
		env["AWS_SECRET_ACCESS_KEY"] = given.get("AWS_SECRET_ACCESS_KEY")
		env["AWS_SESSION_TOKEN"] = given.get("AWS_SESSION_TOKEN")
		return
	}
	env["AWS_ACCESS_KEY_ID"] = first(given.get("AWS_ACCESS_KEY"), given.get("AWS_ACCESS_KEY_ID"))
	env["AWS_SECRET_ACCESS_KEY"] = first(given.get("AWS_SECRET_KEY"), given.get("AWS_SECRET_ACCESS_KEY"))
	delete(env, "AWS_SESSION_TOKEN")
	if token := first(given.get("AWS_SESSION_TOKEN"), given.get("AWS_SECURITY_TOKEN")); token != "" {
		env["AWS_SESSION_TOKEN"] = token
	}
}

func setDefault(env environment, name, value string) {
	if env[name] == "" {
		env[name] = value
	}
}

func (e environment) list() []string {
	list := make([]string, 0, len(e))
	for name, value := range e {
		list = append(list, name+"="+value)
	}
	sort.Strings(list)
	return list
}
