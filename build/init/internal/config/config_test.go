package config

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"
)

var instance = Instance{Started: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), ID: "0123456789abcdef0123456789abcdef"}

func load(t *testing.T, args string, env ...string) Config {
	t.Helper()
	cfg, err := Load(strings.Fields(args), env, instance)
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

func TestMode(t *testing.T) {
	cases := []struct {
		name, args string
		env        []string
		expected   Mode
	}{
		{"single shot", "init", nil, SingleShot},
		{"stay open", "init", []string{"DOCKER_LAMBDA_STAY_OPEN=1"}, StayOpen},
		{"a zero is on", "init", []string{"DOCKER_LAMBDA_STAY_OPEN=0"}, StayOpen},
		{"empty is off", "init", []string{"DOCKER_LAMBDA_STAY_OPEN="}, SingleShot},
		{"emulator by name", "/usr/local/bin/aws-lambda-rie", nil, RIE},
		{"emulator by flag", "init --rie", nil, RIE},
		{"on Lambda", "init", []string{"AWS_LAMBDA_RUNTIME_API=x"}, OnLambda},
		{"the emulator stays one", "aws-lambda-rie", []string{"AWS_LAMBDA_RUNTIME_API=x"}, RIE},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if found := load(t, c.args, c.env...).Mode; found != c.expected {
				t.Errorf("expected %d, found %d", c.expected, found)
			}
		})
	}
}

func TestAddresses(t *testing.T) {
	cases := []struct {
		name, args        string
		env               []string
		api, runtime, rie string
	}{
		{"single shot", "init", nil, "", "127.0.0.1:9001", ""},
		{"single shot without bootstrap", "init", []string{"DOCKER_LAMBDA_NO_BOOTSTRAP=1"}, "", ":9001", ""},
		{"stay open", "init", []string{"DOCKER_LAMBDA_STAY_OPEN=1"}, ":9001", "", ":8080"},
		{"ports apart", "init", []string{"DOCKER_LAMBDA_STAY_OPEN=1", "DOCKER_LAMBDA_API_PORT=9002"}, ":9002", "127.0.0.1:9001", ":8080"},
		{"API on the emulator's port", "init", []string{"DOCKER_LAMBDA_STAY_OPEN=1", "DOCKER_LAMBDA_API_PORT=8080"}, ":8080", "127.0.0.1:9001", ""},
		{"emulator", "aws-lambda-rie", nil, "", "127.0.0.1:9001", "0.0.0.0:8080"},
		{"emulator moved", "aws-lambda-rie --runtime-api-address 127.0.0.1:1 --runtime-interface-emulator-address=0.0.0.0:2", nil, "", "127.0.0.1:1", "0.0.0.0:2"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			a := load(t, c.args, c.env...).Addresses
			if a.API.Listen != c.api || a.Runtime.Listen != c.runtime || a.RIE.Listen != c.rie {
				t.Errorf("expected %q %q %q, found %+v", c.api, c.runtime, c.rie, a)
			}
		})
	}
}

func TestRIEArguments(t *testing.T) {
	cases := []struct {
		name, args       string
		env              []string
		candidates, rest string
		handler, shown   string
		quiet            bool
	}{
		{"none", "rie", []string{"_HANDLER=a.b"}, "/var/task/bootstrap /opt/bootstrap /var/runtime/bootstrap", "", "a.b", "", false},
		{"bootstrap", "rie /var/runtime/bootstrap", []string{"_HANDLER=a.b"}, "/var/runtime/bootstrap", "", "a.b", "", false},
		{"bootstrap and handler", "rie /b a.b", nil, "/b", "a.b", "a.b", "a.b", false},
		{"command", "rie --log-level error python -m awslambdaric a.b", nil, "python", "-m awslambdaric a.b", "a.b", "a.b", true},
		{"debugger", "rie node --inspect index.mjs", []string{"AWS_LAMBDA_FUNCTION_HANDLER=a.b"}, "node", "--inspect index.mjs", "a.b", "index.mjs", false},
		{"unknown flag", "rie --new-flag=1 /b", nil, "/b", "", "", "", false},
		{"separator", "rie -- -b", nil, "-b", "", "", "", false},
		{"log level from environment", "rie /b", []string{"LOG_LEVEL=WARN"}, "/b", "", "", "", true},
		{"function handler before handler", "rie /b", []string{"AWS_LAMBDA_FUNCTION_HANDLER=f", "_HANDLER=h"}, "/b", "", "f", "", false},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			cfg := load(t, strings.Replace(c.args, "rie", "aws-lambda-rie", 1), c.env...)
			found := []string{strings.Join(cfg.Bootstrap.Candidates, " "), strings.Join(cfg.Bootstrap.Args, " "),
				cfg.Function.Handler, cfg.Log.ReadinessHandler}
			expected := []string{c.candidates, c.rest, c.handler, c.shown}
			if !slices.Equal(found, expected) || cfg.Log.Quiet != c.quiet {
				t.Errorf("expected %q, found %q; quiet %v", expected, found, cfg.Log.Quiet)
			}
		})
	}
}

func TestMistakes(t *testing.T) {
	cases := []struct {
		name, args string
		env        []string
		code       int
		message    string
	}{
		{"unknown flag", "init --x", nil, 2, "Usage"},
		{"help", "init --help", nil, 0, "Usage"},
		{"bootstrap arguments", "init --bootstrap-args {", nil, 1, "--bootstrap-args"},
		{"timeout", "init", []string{"AWS_LAMBDA_FUNCTION_TIMEOUT=ten"}, 2, "AWS_LAMBDA_FUNCTION_TIMEOUT"},
		{"timeout, emulator", "aws-lambda-rie", []string{"AWS_LAMBDA_FUNCTION_TIMEOUT=0"}, 2, "AWS_LAMBDA_FUNCTION_TIMEOUT"},
		{"port", "init", []string{"DOCKER_LAMBDA_API_PORT=http"}, 2, "DOCKER_LAMBDA_API_PORT"},
		{"flag without value", "aws-lambda-rie --log-level", nil, 2, "--log-level"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			_, err := Load(strings.Fields(c.args), c.env, instance)
			var mistake *Error
			if !errors.As(err, &mistake) {
				t.Fatalf("expected an Error, found %v", err)
			}
			if mistake.ExitCode != c.code || !strings.Contains(mistake.Message, c.message) {
				t.Errorf("expected %d and %q, found %d and %q", c.code, c.message, mistake.ExitCode, mistake.Message)
			}
		})
	}
}

func TestRuntimeEnvironment(t *testing.T) {
	cases := []struct {
		name, args string
		env        []string
		present    []string
		absent     []string
	}{
		{
			"docker-lambda's defaults", "init a.b", []string{"PATH=/bin", "DOCKER_LAMBDA_STAY_OPEN=1", "_LAMBDA_LOG_FD=9", "AWS_SESSION_TOKEN="},
			[]string{"PATH=/bin", "_HANDLER=a.b", "AWS_LAMBDA_FUNCTION_NAME=test", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE=1536",
				"AWS_LAMBDA_LOG_STREAM_NAME=2026/01/02/[$LATEST]0123456789abcdef0123456789abcdef", "AWS_LAMBDA_RUNTIME_API=host:1",
				"AWS_REGION=us-east-1", "AWS_ACCESS_KEY_ID="},
			[]string{"DOCKER_LAMBDA_STAY_OPEN", "_LAMBDA_LOG_FD", "AWS_SESSION_TOKEN", "AWS_LAMBDA_FUNCTION_TIMEOUT"},
		},
		{
			"docker-lambda's credentials", "init", []string{"AWS_ACCESS_KEY_ID=no", "AWS_ACCESS_KEY=a", "AWS_SECRET_ACCESS_KEY=s", "AWS_SECURITY_TOKEN=t"},
			[]string{"AWS_ACCESS_KEY_ID=a", "AWS_SECRET_ACCESS_KEY=s", "AWS_SESSION_TOKEN=t"}, nil,
		},
		{
			"the emulator keeps what SAM sets", "aws-lambda-rie", []string{"AWS_LAMBDA_LOG_GROUP_NAME=g", "AWS_LAMBDA_LOG_STREAM_NAME=s", "AWS_LAMBDA_INITIALIZATION_TYPE=provisioned-concurrency"},
			[]string{"AWS_LAMBDA_LOG_GROUP_NAME=g", "AWS_LAMBDA_LOG_STREAM_NAME=s", "AWS_LAMBDA_INITIALIZATION_TYPE=provisioned-concurrency", "AWS_LAMBDA_FUNCTION_NAME=test_function", "AWS_SESSION_TOKEN="},
			[]string{"_HANDLER"},
		},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			found := load(t, c.args, c.env...).RuntimeEnvironment("host:1")
			for _, entry := range c.present {
				if !slices.Contains(found, entry) {
					t.Errorf("expected %q in %q", entry, found)
				}
			}
			for _, name := range c.absent {
				if slices.ContainsFunc(found, func(e string) bool { return strings.HasPrefix(e, name+"=") }) {
					t.Errorf("%s must not be there", name)
				}
			}
		})
	}
}

func TestFunctionARN(t *testing.T) {
	cases := []struct {
		name     string
		env      []string
		expected string
	}{
		{"default", nil, "arn:aws:lambda:us-east-1:012345678912:function:test"},
		{"parts", []string{"AWS_DEFAULT_REGION=eu-north-1", "AWS_ACCOUNT_ID=1", "AWS_LAMBDA_FUNCTION_NAME=f"}, "arn:aws:lambda:eu-north-1:1:function:f"},
		{"whole", []string{"AWS_LAMBDA_FUNCTION_INVOKED_ARN=arn:x"}, "arn:x"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if found := load(t, "init", c.env...).Function.ARN; found != c.expected {
				t.Errorf("expected %q, found %q", c.expected, found)
			}
		})
	}
}
