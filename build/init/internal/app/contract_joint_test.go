package app

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// What the program does where the two contracts differ.
func TestJoint(t *testing.T) {
	hold(t, []row{
		{"ports and paths: both, with any name or ARN", func(t *testing.T) {
			r := openByEvent(t)
			const arn = "arn:aws:lambda:us-east-1:012345678912:function:f:$LATEST"
			for _, address := range []string{r.at.API, r.at.RIE} {
				for _, name := range []string{"function", "mine", arn, strings.ReplaceAll(arn, ":", "%3A")} {
					found := do(t, call{address: address, path: "/2015-03-31/functions/" + name + "/invocations?Qualifier=1", body: "1"})
					equal(t, name, found.body, "1")
				}
			}
		}},
		{"both ports: one runtime", func(t *testing.T) {
			r := openByEvent(t)
			equal(t, "runtime", do(t, call{address: r.at.RIE, body: `"pid"`}).body, do(t, call{address: r.at.API, body: `"pid"`}).body)
		}},
		{"method: POST; 405 for GET; OPTIONS for browsers", func(t *testing.T) {
			r := openByEvent(t)
			for _, address := range []string{r.at.API, r.at.RIE} {
				equal(t, "GET", do(t, call{address: address, method: http.MethodGet}).status, 405)
				equal(t, "OPTIONS", do(t, call{address: address, method: http.MethodOptions, header: map[string]string{"Origin": "x"}}).status, 200)
			}
		}},
		{"Runtime API: on the same listener, and not on the emulator's", func(t *testing.T) {
			r := openByEvent(t)
			equal(t, "API", r.at.API, r.at.Runtime)
			equal(t, "ping", do(t, call{method: http.MethodGet, address: r.at.API, path: "/2018-06-01/ping"}).body, "pong")
			equal(t, "emulator", do(t, call{method: http.MethodGet, address: r.at.RIE, path: "/2018-06-01/ping"}).status, 404)
		}},
		{"logs: stderr and green with docker-lambda, stdout and plain with the emulator", func(t *testing.T) {
			r := openByEvent(t, "NO_COLOR=")
			do(t, call{address: r.at.RIE, body: "1"})
			r.stderr.wait(t, "\x1b[32mEND", 1)
			equal(t, "stdout", r.stdout.String(), "")
			o := rieArgs("echo")
			o.env = []string{"NO_COLOR="}
			r = begin(t, o)
			do(t, call{address: r.at.RIE, body: "1"})
			r.stdout.wait(t, "\nEND", 1)
		}},
		{"NO_COLOR: plain", func(t *testing.T) {
			_, stderr := once(t, 0, options{args: []string{"echo", "1"}})
			equal(t, "colours", strings.Count(stderr, "\x1b"), 0)
		}},
		{"ARN: a stable account when none is given", func(t *testing.T) {
			for _, args := range []string{"init", "aws-lambda-rie"} {
				contains(t, args, loaded(t, args).Function.ARN, "arn:aws:lambda:us-east-1:012345678912:function:")
			}
		}},
		{"error header: on both ports", func(t *testing.T) {
			r := openByEvent(t)
			for _, address := range []string{r.at.API, r.at.RIE} {
				equal(t, "header", do(t, call{address: address, body: `"fail"`}).header.Get("X-Amz-Function-Error"), "My.Error")
			}
		}},
		{"exit: told at once, with JSON, END and REPORT", func(t *testing.T) {
			r := openByEvent(t)
			for _, address := range []string{r.at.API, r.at.RIE} {
				found := do(t, call{address: address, body: `"exit-42"`})
				id := found.header.Get(requestIDHeader)
				contains(t, "body", found.body, `{"errorType":"Runtime.ExitError","errorMessage":"RequestId: `+id)
				r.stderr.wait(t, "END RequestId: "+id+"\nREPORT RequestId: "+id, 1)
			}
		}},
		// With docker-lambda the deadline comes from the arrival.
		{"timeout: the wait in the queue is not the function's", func(t *testing.T) {
			r := openByEvent(t, "AWS_LAMBDA_FUNCTION_TIMEOUT=1")
			for _, found := range together(t, 3, call{address: r.at.API, body: `"sleep-400"`}) {
				equal(t, "body", found.body, `"sleep-400"`)
			}
		}},
		{"throttling: whoever has had its answer leaves its place to the next", func(t *testing.T) {
			r := openByEvent(t, "DOCKER_LAMBDA_THROTTLE=1", "DOCKER_LAMBDA_CONCURRENCY=2")
			for n := range 6 {
				served := 0
				for _, found := range together(t, 6, call{address: []string{r.at.API, r.at.RIE}[n%2], body: `"sleep-100"`}) {
					if found.status == 200 {
						served++
					}
				}
				if served < 2 {
					t.Errorf("round %d: expected 2 to be served, found %d", n, served)
				}
			}
		}},
		{"the single shot: all that it has, with the emulator's variables set, too", func(t *testing.T) {
			stdout, _ := once(t, 0, options{args: []string{"echo", "1"}, env: []string{"LOG_LEVEL=error", "AWS_LAMBDA_LOG_STREAM_NAME=x"}})
			equal(t, "stdout", stdout, "\n1\n")
		}},
		{"SIGHUP: calls on both ports get the new runtime", func(t *testing.T) {
			r := openByEvent(t)
			before := do(t, call{address: r.at.RIE, body: `"pid"`}).body
			r.signals <- syscall.SIGHUP
			r.stderr.wait(t, "SIGHUP received", 1)
			var found []string
			for _, address := range []string{r.at.API, r.at.RIE} {
				found = append(found, do(t, call{address: address, body: `"pid"`}).body)
			}
			if slices.Contains(found, before) || found[0] != found[1] {
				t.Errorf("before %s, after %q", before, found)
			}
		}},
		// docker-lambda answers every other call.
		{"init errors: no call of many hangs", func(t *testing.T) {
			r := begin(t, options{args: []string{"init-error"}, open: true})
			for _, found := range together(t, 8, call{address: r.at.API}) {
				equal(t, "body", found.body, `{"errorType":"Init.Bad","errorMessage":"no start"}`)
				equal(t, "header", found.header.Get("X-Amz-Function-Error"), "Init.Bad")
			}
		}},
		{"exit codes: 0, 1 for what fails, 2 for a mistake in the use", func(t *testing.T) {
			for code, args := range [][]string{{"echo"}, {"fail"}, {"--nonsense"}} {
				t.Run(fmt.Sprint(code), func(t *testing.T) { once(t, code, options{args: args}) })
			}
		}},
		{"answers to different callers do not mix", func(t *testing.T) {
			r := openByEvent(t)
			for i := range 4 {
				body := fmt.Sprintf(`{"caller":%d}`, i)
				for _, found := range together(t, 4, call{address: []string{r.at.API, r.at.RIE}[i%2], body: body}) {
					equal(t, "body", found.body, body)
				}
			}
		}},
	})
}
