package config

import "fmt"

// Error is a mistake in arguments or environment, with the exit code that
// belongs to it.
type Error struct {
	Message  string
	ExitCode int
}

func (e *Error) Error() string { return e.Message }

func usageError(format string, args ...any) *Error {
	return &Error{Message: fmt.Sprintf(format, args...), ExitCode: 2}
}
