package main

import (
	"errors"
	"net"
	"net/rpc"
	"os"
	"os/exec"
	"reflect"
	"strconv"
	"syscall"
	"time"
)

// InvokeRequest is an event as aws-lambda-go's package lambda/messages has it. For gob the names of its fields count.
type InvokeRequest struct {
	Payload               []byte
	RequestId             string
	XAmznTraceId          string
	Deadline              timestamp
	InvokedFunctionArn    string
	CognitoIdentityId     string
	CognitoIdentityPoolId string
	ClientContext         []byte
}

type timestamp struct{ Seconds, Nanos int64 }

// InvokeResponse is the answer, or the function's error.
type InvokeResponse struct {
	Payload []byte
	Error   *failure
}

// failure is an error of the function, as it goes to the Runtime API too.
type failure struct {
	Message    string   `json:"errorMessage"`
	Type       string   `json:"errorType"`
	StackTrace []*frame `json:"stackTrace,omitempty"`
	ShouldExit bool     `json:"-"`
}

type frame struct {
	Path  string `json:"path"`
	Line  int32  `json:"line"`
	Label string `json:"label"`
}

// failureOf is an error of this program, by its Go type as aws-lambda-go names it.
func failureOf(err error) *failure {
	kind := reflect.TypeOf(err)
	if kind.Kind() == reflect.Pointer {
		kind = kind.Elem()
	}
	return &failure{Message: err.Error(), Type: kind.Name()}
}

// grace is how long a function that has closed its connection may take to exit.
const grace = time.Second

// function is the user's program, as a process and as a peer.
type function struct {
	command *exec.Cmd
	address string
	exited  chan struct{} // closed when the process has ended
	peer    *rpc.Client   // nil until the program listens
	leaving bool          // it has hung up
}

// start runs the program at path, which finds in its environment where to listen.
func start(path string) (*function, error) {
	address, port, err := freePort()
	if err != nil {
		return nil, err
	}
	command := exec.Command(path)
	command.Env = append(os.Environ(), "_LAMBDA_SERVER_PORT="+port)
	command.Stdin, command.Stdout, command.Stderr = os.Stdin, os.Stdout, os.Stderr
	command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := command.Start(); err != nil {
		return nil, err
	}
	f := &function{command: command, address: address, exited: make(chan struct{})}
	go func() {
		_ = command.Wait() // its state tells more
		close(f.exited)
	}()
	return f, nil
}

// freePort returns a port of this host that nobody listens on. The function's program opens it: it takes a number,
// not a socket.
func freePort() (address, port string, err error) {
	listener, err := net.Listen("tcp", "localhost:0")
	if err != nil {
		return "", "", err
	}
	defer listener.Close()
	number := listener.Addr().(*net.TCPAddr).Port
	return listener.Addr().String(), strconv.Itoa(number), nil
}

// connect waits until the program listens, and says whether it did before it ended.
func (f *function) connect() bool {
	for pause := time.Millisecond; ; pause = min(2*pause, 100*time.Millisecond) {
		if connection, err := net.Dial("tcp", f.address); err == nil {
			f.peer = rpc.NewClient(connection)
			return true
		}
		select {
		case <-f.exited:
			return false
		case <-time.After(pause):
		}
	}
}

// invoke gives the function an event. An error is that it cannot be talked to any more; an error of the function's own
// is in the response.
func (f *function) invoke(event *InvokeRequest) (*InvokeResponse, error) {
	var answer InvokeResponse
	err := f.peer.Call("Function.Invoke", event, &answer)
	var refusal rpc.ServerError
	if errors.As(err, &refusal) {
		return &InvokeResponse{Error: failureOf(err)}, nil
	}
	f.leaving = err != nil
	return &answer, err
}

// end ends the process, unless it does so by itself: because it was never served, or because it has hung up. It returns
// how the process has ended by itself, else nil.
func (f *function) end() *os.ProcessState {
	if f.peer == nil {
		<-f.exited
		return f.command.ProcessState
	}
	if f.leaving {
		select {
		case <-f.exited:
			return f.command.ProcessState
		case <-time.After(grace):
		}
	}
	_ = f.command.Process.Kill()
	<-f.exited
	return nil
}
