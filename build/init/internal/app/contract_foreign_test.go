package app

import (
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
)

// foreign is a runtime that somebody else has started: the test.
type foreign struct {
	t *testing.T
	r *run
}

func withForeign(t *testing.T, env ...string) foreign {
	t.Helper()
	return foreign{t, openByEvent(t, append(env, "DOCKER_LAMBDA_NO_BOOTSTRAP=1")...)}
}

func (f foreign) call(method, path, body string, header map[string]string) reply {
	f.t.Helper()
	return do(f.t, call{method: method, address: f.r.at.Runtime, path: "/2018-06-01/runtime/" + path, body: body, header: header})
}

// invoke calls the function; the answer comes later.
func (f foreign) invoke(header map[string]string) <-chan reply {
	answers := make(chan reply, 1)
	go func() {
		found, err := try(call{address: f.r.at.API, body: "1", header: header})
		if err != nil {
			f.t.Error(err)
		}
		answers <- found
	}()
	return answers
}

func TestDockerLambdaRuntimeAPI(t *testing.T) {
	hold(t, []row{
		{"next: tells that the caller wants the log", func(t *testing.T) {
			r := openByEvent(t)
			equal(t, "with", seen(t, r.at.API, map[string]string{"X-Amz-Log-Type": "Tail"}).Get("Docker-Lambda-Log-Type"), "Tail")
			equal(t, "without", seen(t, r.at.API, nil).Get("Docker-Lambda-Log-Type"), "")
		}},
		{"old mocks: their log is the caller's", func(t *testing.T) {
			f := withForeign(t)
			answer := f.invoke(map[string]string{"X-Amz-Log-Type": "Tail"})
			id := f.call("GET", "invocation/next", "", nil).header.Get("Lambda-Runtime-Aws-Request-Id")
			f.call("POST", "invocation/"+id+"/response", "2", map[string]string{"Docker-Lambda-Log-Result": "bG9n"})
			equal(t, "log", (<-answer).header.Get("X-Amz-Log-Result"), "bG9n")
		}},
		// docker-lambda ends with 1.
		{"old mocks: a bad time is left out", func(t *testing.T) {
			f := withForeign(t)
			answer := f.invoke(nil)
			id := f.call("GET", "invocation/next", "", nil).header.Get("Lambda-Runtime-Aws-Request-Id")
			header := map[string]string{"Docker-Lambda-Init-End": "soon", "Docker-Lambda-Invoke-Wait": ""}
			equal(t, "status", f.call("POST", "invocation/"+id+"/response", "2", header).status, 202)
			equal(t, "answer", (<-answer).body, "2")
		}},
	})
}

func TestDockerLambdaSignals(t *testing.T) {
	hold(t, []row{
		{"SIGINT: the runtime is killed, rc 0", func(t *testing.T) {
			r := openByEvent(t)
			pid, err := strconv.Atoi(do(t, call{address: r.at.API, body: `"pid"`}).body)
			if err != nil {
				t.Fatal(err)
			}
			hung := make(chan error, 1)
			go func() {
				_, err := try(call{address: r.at.API, body: `"hang"`})
				hung <- err
			}()
			r.stdout.wait(t, "hanging", 1)
			equal(t, "exit code", r.end(syscall.SIGINT), 0)
			<-hung // it may or may not have had an answer
			if err := syscall.Kill(pid, 0); err == nil {
				t.Errorf("the runtime %d is still there", pid)
			}
		}},
		// The user adds --restart on-failure to the container.
		{"watch without a bootstrap: rc 2", func(t *testing.T) {
			if _, err := os.Stat("/opt"); err != nil {
				t.Skip("no /opt to watch")
			}
			task := t.TempDir()
			r := openByEvent(t, "DOCKER_LAMBDA_NO_BOOTSTRAP=1", "DOCKER_LAMBDA_WATCH=1", "LAMBDA_TASK_ROOT="+task)
			if err := os.WriteFile(filepath.Join(task, "app.py"), nil, 0o600); err != nil {
				t.Fatal(err)
			}
			equal(t, "exit code", r.wait(), 2)
			contains(t, "log", r.stderr.String(), "Handler/layer file changed, restarting bootstrap...")
		}},
	})
}
