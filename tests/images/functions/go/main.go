// Functions for the behaviour that every runtime shares: the program is called by the case's name. It serves net/rpc as
// programs do that are built with aws-lambda-go, which this has no need of.
package main

import (
	"encoding/json"
	"fmt"
	"log"
	"net"
	"net/rpc"
	"os"
	"path/filepath"
	"strings"
	"time"
	"unicode/utf8"
)

// Function is what aws-lambda-go registers.
type Function struct{}

type input struct {
	Leave   bool
	Seconds float64
	Bytes   int
	Text    string
}

var handlers = map[string]func(*InvokeRequest, input) (interface{}, *ResponseError){
	"success":     func(r *InvokeRequest, _ input) (interface{}, *ResponseError) { return json.RawMessage(r.Payload), nil },
	"error":       failing(ResponseError{Message: "no", Type: "Custom"}),
	"unhandled":   failing(ResponseError{Message: "no", Type: "errorString", StackTrace: []*StackFrame{{"main.go", 1, "main"}}, ShouldExit: true}),
	"leave":       leave,
	"slow":        slow,
	"context":     context,
	"environment": environment,
	"large": func(_ *InvokeRequest, in input) (interface{}, *ResponseError) {
		return strings.Repeat("x", in.Bytes), nil
	},
	"huge_event": func(_ *InvokeRequest, in input) (interface{}, *ResponseError) {
		return utf8.RuneCountInString(in.Text), nil
	},
	"bytes":     func(*InvokeRequest, input) (interface{}, *ResponseError) { return []byte{0xff, 0xfe}, nil },
	"unicode":   unicode,
	"binary":    binary,
	"remaining": remaining,
	"log":       logging,
}

func main() {
	name := filepath.Base(os.Args[0])
	if name == "init_error" {
		panic("no init")
	}
	listener, err := net.Listen("tcp", "localhost:"+os.Getenv("_LAMBDA_SERVER_PORT"))
	if err != nil {
		log.Fatal(err)
	}
	if err := rpc.Register(new(Function)); err != nil {
		log.Fatal(err)
	}
	rpc.Accept(listener)
}

// Invoke runs the case's handler.
func (*Function) Invoke(request *InvokeRequest, response *InvokeResponse) error {
	var in input
	_ = json.Unmarshal(request.Payload, &in) // events that are no objects have none of these
	result, failed := handlers[filepath.Base(os.Args[0])](request, in)
	if failed != nil {
		response.Error = failed
		return nil
	}
	if bytes, ok := result.([]byte); ok { // of a handler that writes its answer itself
		response.Payload = bytes
		return nil
	}
	payload, err := json.Marshal(result)
	response.Payload = payload
	return err
}

func failing(failed ResponseError) func(*InvokeRequest, input) (interface{}, *ResponseError) {
	return func(*InvokeRequest, input) (interface{}, *ResponseError) { return nil, &failed }
}

func leave(_ *InvokeRequest, in input) (interface{}, *ResponseError) {
	if in.Leave {
		os.Exit(42)
	}
	return "still here", nil
}

func slow(_ *InvokeRequest, in input) (interface{}, *ResponseError) {
	wait(in)
	return os.Getpid(), nil
}

func context(r *InvokeRequest, _ input) (interface{}, *ResponseError) {
	return map[string]interface{}{
		"name": os.Getenv("AWS_LAMBDA_FUNCTION_NAME"), "version": os.Getenv("AWS_LAMBDA_FUNCTION_VERSION"),
		"memory": os.Getenv("AWS_LAMBDA_FUNCTION_MEMORY_SIZE"), "request_id": r.RequestId, "arn": r.InvokedFunctionArn,
		"log_group": os.Getenv("AWS_LAMBDA_LOG_GROUP_NAME"), "log_stream": os.Getenv("AWS_LAMBDA_LOG_STREAM_NAME"),
		"remaining": left(r), "identity": r.CognitoIdentityId, "client_context": string(r.ClientContext),
		"deadline": r.Deadline.Seconds*1000 + r.Deadline.Nanos/1e6,
	}, nil
}

func environment(*InvokeRequest, input) (interface{}, *ResponseError) {
	found := map[string]string{}
	for _, pair := range os.Environ() {
		parts := strings.SplitN(pair, "=", 2)
		found[parts[0]] = parts[1]
	}
	return found, nil
}

func unicode(r *InvokeRequest, _ input) (interface{}, *ResponseError) {
	var event string
	if err := json.Unmarshal(r.Payload, &event); err != nil {
		return nil, &ResponseError{Message: err.Error(), Type: "UnmarshalTypeError"}
	}
	return "äöü €𝄞" + event, nil
}

func binary(*InvokeRequest, input) (interface{}, *ResponseError) {
	_, _ = os.Stdout.Write([]byte("\xff\xfe\x00\x80\n"))
	return "printed", nil
}

func remaining(r *InvokeRequest, in input) (interface{}, *ResponseError) {
	before := left(r)
	wait(in)
	return []int64{before, left(r)}, nil
}

func logging(*InvokeRequest, input) (interface{}, *ResponseError) {
	log.Print("noted")
	fmt.Println("noted")
	return nil, nil
}

func wait(in input) { time.Sleep(time.Duration(in.Seconds * float64(time.Second))) }

// left is the time until the deadline, in milliseconds.
func left(r *InvokeRequest) int64 {
	return int64(time.Until(time.Unix(r.Deadline.Seconds, r.Deadline.Nanos)) / time.Millisecond)
}
