package app

import (
	"fmt"
	"sync"
	"testing"
	"time"
)

// together makes n calls at once and returns their answers.
func together(t *testing.T, n int, c call) []reply {
	t.Helper()
	replies := make([]reply, n)
	var group sync.WaitGroup
	for i := range n {
		group.Go(func() {
			var err error
			if replies[i], err = try(c); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	return replies
}

func TestEnvironments(t *testing.T) {
	t.Parallel()
	r := openByEvent(t, "DOCKER_LAMBDA_CONCURRENCY=4")
	began := time.Now()
	for _, found := range together(t, 8, call{address: r.at.API, body: `"sleep-300"`}) {
		equal(t, "body", found.body, `"sleep-300"`)
	}
	if took := time.Since(began); took > 2*time.Second {
		t.Errorf("8 × 300 ms in 4 environments took %v", took)
	}
	pids := map[string]bool{}
	for range 8 {
		pids[do(t, call{address: r.at.API, body: `"pid"`}).body] = true
	}
	equal(t, "environments that serve one caller", len(pids), 1)
	before := len(pids)
	for _, found := range together(t, 8, call{address: r.at.API, body: `"pid"`}) {
		pids[found.body] = true
	}
	if len(pids) < before || len(pids) > 4 {
		t.Errorf("expected 4 runtimes at most, found %d", len(pids))
	}
}

// One environment's failure is not the others'.
func TestEnvironmentsAreApart(t *testing.T) {
	t.Parallel()
	r := openByEvent(t, "DOCKER_LAMBDA_CONCURRENCY=3")
	var group sync.WaitGroup
	group.Go(func() { contains(t, "exit", do(t, call{address: r.at.API, body: `"exit-42"`}).body, "exit status 42") })
	for range 2 {
		group.Go(func() {
			equal(t, "body", do(t, call{address: r.at.API, body: `"sleep-300"`}).body, `"sleep-300"`)
		})
	}
	group.Wait()
}

func TestThrottle(t *testing.T) {
	t.Parallel()
	r := openByEvent(t, "DOCKER_LAMBDA_CONCURRENCY=2", "DOCKER_LAMBDA_THROTTLE=1")
	for _, address := range []string{r.at.API, r.at.RIE} {
		served, throttled := 0, 0
		for _, found := range together(t, 6, call{address: address, body: `"sleep-500"`}) {
			switch found.status {
			case 200:
				served++
			case 429:
				throttled++
				equal(t, "error type", found.header.Get("X-Amzn-Errortype"), "TooManyRequestsException")
				equal(t, "body", found.body, `{"Reason":"ConcurrentInvocationLimitExceeded","Type":"User","message":"Rate Exceeded."}`)
			}
		}
		if served != 2 || throttled != 4 {
			t.Errorf("expected 2 served and 4 refused, found %d and %d", served, throttled)
		}
	}
}

// On managed instances one runtime takes several events at a time.
func TestSideBySide(t *testing.T) {
	t.Parallel()
	r := openByEvent(t, "AWS_LAMBDA_MAX_CONCURRENCY=8", "AWS_LAMBDA_FUNCTION_TIMEOUT=2")
	do(t, call{address: r.at.API, body: `1`})
	began := time.Now()
	pids := map[string]bool{}
	for i, found := range together(t, 16, call{address: r.at.API, body: `"sleep-300"`}) {
		equal(t, fmt.Sprintf("body %d", i), found.body, `"sleep-300"`)
	}
	if took := time.Since(began); took > 2*time.Second {
		t.Errorf("16 × 300 ms, 8 at a time, took %v", took)
	}
	for _, found := range together(t, 16, call{address: r.at.API, body: `"pid"`}) {
		pids[found.body] = true
	}
	equal(t, "runtimes", len(pids), 1)
}

// One that takes too long does not end those beside it.
func TestTimeoutSideBySide(t *testing.T) {
	t.Parallel()
	r := openByEvent(t, "AWS_LAMBDA_MAX_CONCURRENCY=3", "AWS_LAMBDA_FUNCTION_TIMEOUT=1")
	pid := do(t, call{address: r.at.API, body: `"pid"`}).body
	var group sync.WaitGroup
	group.Go(func() {
		contains(t, "late", do(t, call{address: r.at.API, body: `"hang"`}).body, "Task timed out after 1.00 seconds")
	})
	r.stdout.wait(t, "hanging", 1)
	time.Sleep(500 * time.Millisecond)
	group.Go(func() {
		equal(t, "body", do(t, call{address: r.at.API, body: `"sleep-800"`}).body, `"sleep-800"`)
	})
	group.Wait()
	equal(t, "the runtime", do(t, call{address: r.at.API, body: `"pid"`}).body, pid)
}

func TestExitSideBySide(t *testing.T) {
	t.Parallel()
	r := openByEvent(t, "AWS_LAMBDA_MAX_CONCURRENCY=3")
	pid := do(t, call{address: r.at.API, body: `"pid"`}).body
	var group sync.WaitGroup
	group.Go(func() { contains(t, "beside", do(t, call{address: r.at.API, body: `"hang"`}).body, "exit status 42") })
	r.stdout.wait(t, "hanging", 1)
	contains(t, "exit", do(t, call{address: r.at.API, body: `"exit-42"`}).body, "exit status 42")
	group.Wait()
	if after := do(t, call{address: r.at.API, body: `"pid"`}).body; after == pid {
		t.Error("the runtime was not replaced")
	}
}

func TestCallersID(t *testing.T) {
	t.Parallel()
	o := rieArgs("byevent")
	o.env = []string{"AWS_LAMBDA_MAX_CONCURRENCY=2"}
	r := begin(t, o)
	found := do(t, call{address: r.at.RIE, body: `1`, header: map[string]string{"X-Amzn-RequestId": "mine"}})
	equal(t, "request id", found.header.Get(requestIDHeader), "mine")
	r.stdout.wait(t, `"type":"platform.start","record":{"requestId":"mine","version":"$LATEST"}}`, 1)
	r.stdout.wait(t, `"type":"platform.report","record":{"requestId":"mine","status":"success","metrics":{"billedDurationMs":`, 1)
}
