// The bootstrap of go1.x: it runs the program that _HANDLER names and stands between it and the Runtime API.
//
// Programs built with aws-lambda-go for go1.x serve net/rpc on _LAMBDA_SERVER_PORT. Programs that ask the Runtime API
// for events by themselves run too: they never listen there, and then there is nothing to do but to wait for them.
package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
)

func main() {
	// The kernel ends the function with the thread that started it (see start); this keeps that thread.
	runtime.LockOSThread()
	api := newRuntimeAPI(os.Getenv("AWS_LAMBDA_RUNTIME_API"))
	status, err := run(api, os.Getenv("LAMBDA_TASK_ROOT"), os.Getenv("_HANDLER"))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	os.Exit(status)
}

// run starts the function and serves it until it or the Runtime API ends. It returns the exit status, which is the
// function's own when that has left by itself; a signal that has ended it ends this process too.
func run(api *runtimeAPI, root, handler string) (int, error) {
	function, err := start(filepath.Join(root, handler))
	if err != nil {
		// as the real runtime: PathError, fork/exec /var/task/handler: no such file or directory
		return 1, errors.Join(err, api.initError(failureOf(err)))
	}
	if function.connect() {
		err = serve(api, function)
	}
	if state := function.end(); state != nil {
		if signal := state.Sys().(syscall.WaitStatus); signal.Signaled() {
			_ = syscall.Kill(os.Getpid(), signal.Signal())
		}
		return state.ExitCode(), nil
	}
	return 1, err
}

// serve gives the function one event after the other. It returns when one of the two can do so no more, or when the
// function has panicked, after which its state is anybody's guess.
func serve(api *runtimeAPI, function *function) error {
	for {
		event, err := api.next()
		if err != nil {
			return err
		}
		answer, err := function.invoke(event)
		if err != nil {
			return err
		}
		if answer.Error == nil {
			err = api.respond(event.RequestId, answer.Payload)
		} else {
			err = api.fail(event.RequestId, answer.Error)
		}
		if err != nil {
			return err
		}
		if answer.Error != nil && answer.Error.ShouldExit {
			return errors.New("the function has panicked")
		}
	}
}
