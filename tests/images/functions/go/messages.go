package main

// InvokeRequest and what follows is what aws-lambda-go sends and answers: gob goes by the names of fields.
type InvokeRequest struct {
	Payload            []byte
	RequestId          string
	Deadline           Timestamp
	InvokedFunctionArn string
	CognitoIdentityId  string
	ClientContext      []byte
}

// Timestamp is a time since 1970.
type Timestamp struct{ Seconds, Nanos int64 }

// InvokeResponse is a result or an error.
type InvokeResponse struct {
	Payload []byte
	Error   *ResponseError
}

// ResponseError is an error, or a panic, after which the program is not to go on.
type ResponseError struct {
	Message    string
	Type       string
	StackTrace []*StackFrame
	ShouldExit bool
}

// StackFrame is a line of a stack trace.
type StackFrame struct {
	Path  string
	Line  int32
	Label string
}
