package app

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"strings"
	"testing"
)

// The contract that this program joins from docker-lambda's and that of AWS's
// emulator is a list of rows. contract_dockerlambda_test.go, contract_rie_test.go
// and contract_joint_test.go have a case for each of them; those that another
// test holds already are here.

// row is one sentence of a contract.
type row struct {
	name  string
	check func(*testing.T)
}

func hold(t *testing.T, rows []row) {
	t.Helper()
	t.Parallel()
	for _, r := range rows {
		if other := heldElsewhere[r.name]; other != "" {
			t.Errorf("%q is held here and by %s", r.name, other)
		}
		t.Run(r.name, func(t *testing.T) {
			t.Parallel()
			r.check(t)
		})
	}
}

// heldElsewhere has the test that holds a row: of this package, or after the
// directory of another.
var heldElsewhere = map[string]string{
	// docker-lambda: start.
	"bad --bootstrap-args: rc 1":                       "TestSingleShot",
	"unknown flag: usage, rc 2":                        "TestSingleShot",
	"handler: AWS_LAMBDA_FUNCTION_HANDLER, _HANDLER":   "TestSingleShot",
	"event: argument, AWS_LAMBDA_EVENT_BODY, stdin":    "TestSingleShot",
	"event: an empty argument is one":                  "TestSingleShot",
	"bootstrap: the exec bit is not looked at":         "TestSingleShot",
	"a switch is on with any value, 0 too":             "../config:TestMode",
	"DOCKER_LAMBDA_NO_BOOTSTRAP":                       "TestNoBootstrap",
	"DOCKER_LAMBDA_USE_STDIN":                          "TestSingleShot",
	"DOCKER_LAMBDA_NO_MODIFY_LOGS":                     "TestSingleShot",
	"equal ports: one listener, on all interfaces":     "../config:TestAddresses",
	"different ports: both listen":                     "TestSeparatePorts",
	"a timeout that is no number: rc 2":                "TestSingleShot",
	"ARN: whole from the environment, or of its parts": "../config:TestFunctionARN",
	"runtime's environment: log group and stream":      "../config:TestRuntimeEnvironment",
	"runtime's environment: credentials":               "../config:TestRuntimeEnvironment",
	"runtime's environment: no timeout":                "../config:TestRuntimeEnvironment",
	"runtime's environment: no DOCKER_LAMBDA_*":        "TestSingleShotEnvironment",
	// docker-lambda: output.
	"single shot: log lines on stderr":                "TestSingleShotLogLines",
	"single shot: result in one line, raw if no JSON": "TestSingleShot",
	"single shot: rc 1 for errors, handled ones too":  "TestSingleShot",
	"stay open: stdout to stdout, stderr to stderr":   "TestLogTail",
	"stay open: the line that says it listens":        "TestReadiness",
	"request id: its third group begins with 1":       "TestSingleShotLogLines",
	"durations are cut to the timeout":                "TestTimeout",
	// docker-lambda: Invoke API.
	"any name of one segment, query ignored":         "TestInvokeAPI",
	"log tail: the runtime's output alone":           "TestLogTail",
	"log tail: 4096 bytes at most":                   "../process:TestTail",
	"client context: decoded":                        "TestEventHeaders",
	"client context: 400 for a bad one":              "TestInvokeAPI",
	"OPTIONS: 403 without an origin, 200 with one":   "TestInvokeAPI",
	"405 for GET and unknown paths":                  "TestInvokeAPI",
	"404 for unknown paths of the Runtime API":       "TestInvokeAPI",
	"headers of a 200":                               "TestInvokeAPI",
	"a request's trace header is not read":           "TestEventHeaders",
	"payloads are not limited":                       "TestPayloadLimits",
	"error header: the runtime's type, or Unhandled": "TestStayOpenOutcomes",
	// docker-lambda: Runtime API.
	"ping":                                  "../runtimeapi:TestStates",
	"next: headers, the trace id always":    "../runtimeapi:TestNextHeaders",
	"error of no shape: 299":                "../runtimeapi:TestStates",
	"wrong id: 400":                         "../runtimeapi:TestStates",
	"wrong state: 403":                      "../runtimeapi:TestStates",
	"any order of steps: as the states say": "../runtimeapi:FuzzAPI",
	"next again before the answer: allowed": "../runtimeapi:FuzzAPI",
	"the headers of old mocks":              "../runtimeapi:TestMockHeaders",
	"error payload: nothing is lost":        "TestStayOpenOutcomes",
	"queue: in order, one at a time":        "TestConcurrentClients",
	"exit in an invocation: told at once":   "TestStayOpenOutcomes",
	"exit in the init: told at once":        "TestInitFailures",
	"SIGHUP: restart":                       "TestSIGHUP",
	"SIGHUP without a bootstrap: rc 2":      "TestSIGHUP",
	"watch: restart":                        "TestWatch",
	"watch: rc 1 for a missing directory":   "TestWatch",
	// The emulator.
	"flags: addresses and log level":                 "TestReadiness",
	"command and handler":                            "../config:TestRIEArguments",
	"defaults of name and memory":                    "TestEmulatorMode",
	"log lines on stdout, without colour":            "TestEmulatorMode",
	"request id of version 4":                        "TestEmulatorMode",
	"unknown path: 404":                              "TestEmulatorRoute",
	"bad client context: 500, empty":                 "TestEmulatorRoute",
	"trace id from the request":                      "TestEventHeaders",
	"content type is text":                           "TestEmulatorRoute",
	"handler error: 200, its body raw":               "TestStayOpenOutcomes",
	"exit in an invocation: 502":                     "TestStayOpenOutcomes",
	"timeout: 200 and text":                          "TestTimeout",
	"init error: 502 with the runtime's body":        "TestInitFailures",
	"failed init: tried again by every call":         "TestInitFailures",
	"response too large: 413 for the runtime":        "../runtimeapi:TestStates",
	"response too large: 200 for the caller":         "TestEmulatorMode",
	"a streamed response is collected":               "TestStreamForThoseWhoWantTheWhole",
	"SIGTERM: rc 0":                                  "TestSIGTERM",
	"extensions: registration and its errors":        "../extension:TestErrors",
	"extensions: started from their directory":       "TestExtension",
	"logs API: 202, not supported":                   "../extension:TestNotSupported",
	"restore: next at once, error as one of init":    "../runtimeapi:TestStates",
	"wrong state: 403 in the emulator's words":       "../runtimeapi:TestStates",
	"managed instances: caller's request id":         "TestCallersID",
	"managed instances: JSON log":                    "TestCallersID",
	"managed instances: events side by side":         "TestSideBySide",
	"managed instances: telemetry":                   "TestTelemetry",
	"managed instances: a timeout is its own affair": "TestTimeoutSideBySide",
	// Both.
	"concurrency: a queue, or a refusal":      "TestThrottle",
	"concurrency: several environments":       "TestEnvironments",
	"response: as soon as it is whole":        "TestNoBootstrap",
	"payload limit: by a switch":              "TestPayloadLimits",
	"timeout: enforced, the runtime replaced": "TestTimeout",
	"extensions: told of the end":             "TestExtension",
	"telemetry":                               "TestTelemetry",
	"SIGTERM: grace, and rc 0":                "TestSIGTERM",
	"events are not lost by SIGTERM":          "TestEventSurvivesSIGTERM",
	"init errors: the same for every call":    "TestInitFailures",
	"on Lambda: hands over to the runtime":    "TestOnLambda",
}

func TestHeldElsewhere(t *testing.T) {
	t.Parallel()
	known := map[string]map[string]bool{}
	for what, test := range heldElsewhere {
		directory, name, elsewhere := strings.Cut(test, ":")
		if !elsewhere {
			directory, name = ".", test
		}
		if known[directory] == nil {
			known[directory] = testsOf(t, directory)
		}
		if !known[directory][name] {
			t.Errorf("%q: there is no test %s", what, test)
		}
	}
}

// testsOf are the names of the functions in a directory's tests.
func testsOf(t *testing.T, directory string) map[string]bool {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(directory, "*_test.go"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no tests in %s: %v", directory, err)
	}
	names := map[string]bool{}
	for _, file := range files {
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, declared := range parsed.Decls {
			if function, ok := declared.(*ast.FuncDecl); ok && function.Recv == nil {
				names[function.Name.Name] = true
			}
		}
	}
	return names
}
