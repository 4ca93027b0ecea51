package runtimeapi

import "fmt"

// Dialect is whose wording the API speaks where docker-lambda and the
// emulator differ.
type Dialect int

const (
	// DockerLambda names states STATE_…, and refuses error bodies that are
	// not an error's JSON.
	DockerLambda Dialect = iota
	// Emulator names states as AWS's emulator does and hands on any body.
	Emulator
)

func (d Dialect) refusal(e *transitionError) string {
	if d == Emulator {
		return fmt.Sprintf("State transition from %s to %s failed for runtime. "+
			"Error: State transition is not allowed", emulatorFrom(e.from), emulatorTo(e.to))
	}
	return fmt.Sprintf("Transition from %s to %s is not allowed.",
		dockerLambdaName(e.from), dockerLambdaName(e.to))
}

func dockerLambdaName(s state) string {
	switch s {
	case stateInit:
		return "STATE_INIT"
	case stateInitError:
		return "STATE_INIT_ERROR"
	case stateNext:
		return "STATE_INVOKE_NEXT"
	case stateResponse:
		return "STATE_INVOKE_RESPONSE"
	default:
		return "STATE_INVOKE_ERROR"
	}
}

func emulatorFrom(s state) string {
	switch s {
	case stateInit:
		return "Started"
	case stateInitError:
		return "InitError"
	case stateNext:
		return "Running"
	default:
		return "RuntimeResponseSentState"
	}
}

func emulatorTo(s state) string {
	switch s {
	case stateInitError:
		return "InitError"
	case stateNext:
		return "Ready"
	case stateResponse:
		return "InvocationResponse"
	default:
		return "InvocationErrorResponse"
	}
}
