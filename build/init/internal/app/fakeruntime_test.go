package app

import (
	"bytes"
	"cmp"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// fakeRuntime is a runtime whose behaviour is named by the handler, or, when
// that is "byevent", by the event.
func fakeRuntime() {
	api := "http://" + os.Getenv("AWS_LAMBDA_RUNTIME_API") + "/2018-06-01/runtime/"
	handler := os.Getenv("_HANDLER")
	inInit(api, handler)
	pollers, err := strconv.Atoi(os.Getenv("AWS_LAMBDA_MAX_CONCURRENCY"))
	if err != nil {
		pollers = 1
	}
	for range pollers - 1 {
		go poll(api, handler)
	}
	poll(api, handler)
}

func poll(api, handler string) {
	for {
		res, err := http.Get(api + "invocation/next")
		if err != nil || res.StatusCode != http.StatusOK {
			os.Exit(3)
		}
		event, err := io.ReadAll(res.Body)
		if err != nil {
			os.Exit(4)
		}
		id := res.Header.Get("Lambda-Runtime-Aws-Request-Id")
		behaviour := handler
		if handler == "byevent" {
			_ = json.Unmarshal(event, &behaviour)
		}
		if handler == "http" {
			var request struct{ Path, RawPath string }
			_ = json.Unmarshal(event, &request)
			behaviour = strings.TrimPrefix(cmp.Or(request.Path, request.RawPath), "/")
		}
		behave(api+"invocation/"+id+"/", behaviour, event, res.Header)
	}
}

func inInit(api, handler string) {
	switch handler {
	case "init-exit":
		os.Exit(7)
	case "init-clean-exit":
		os.Exit(0)
	case "init-error":
		send(api+"init/error", `{"errorType":"Init.Bad","errorMessage":"no start"}`, "Init.Bad")
		os.Exit(1)
	case "init-hang":
		time.Sleep(time.Hour)
	}
	if text, ok := strings.CutPrefix(handler, "init-sleep-"); ok {
		sleep(text)
	}
	if strings.HasPrefix(handler, "internal-extension") {
		go fakeExtension("invoke")
		time.Sleep(100 * time.Millisecond)
	}
}

// sleep sleeps for milliseconds.
func sleep(text string) {
	ms, err := strconv.Atoi(text)
	if err != nil {
		os.Exit(9)
	}
	time.Sleep(time.Duration(ms) * time.Millisecond)
}

func behave(invocation, behaviour string, event []byte, header http.Header) {
	switch behaviour {
	case "fail":
		send(invocation+"error", `{"errorType":"MyError","errorMessage":"bad","requestId":"x"}`, "My.Error")
	case "fail-unnamed":
		send(invocation+"error", `{"errorMessage":"bad"}`, "")
	case "fail-shape":
		send(invocation+"error", `not json`, "")
	case "exit-42":
		fmt.Println("going down")
		os.Exit(42)
	case "exit-0":
		os.Exit(0)
	case "killed":
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		time.Sleep(time.Hour) // not select{}: alone, it is a deadlock, and Go exits with 2
	case "hang":
		fmt.Println("hanging")
		time.Sleep(time.Hour) // not select{}: alone, it is a deadlock, and Go exits with 2
	case "answer-and-exit":
		send(invocation+"response", `"last words"`, "")
		os.Exit(0)
	case "log":
		fmt.Print("out one\rout two\n")
		fmt.Fprintln(os.Stderr, "err one")
		send(invocation+"response", `"logged"`, "")
	case "text":
		send(invocation+"response", "plain text", "")
	case "pretty":
		send(invocation+"response", "{\n  \"a\": 1\n}", "")
	case "big":
		send(invocation+"response", strings.Repeat("x", 7_000_000), "")
	case "environ":
		send(invocation+"response", string(asJSON(os.Environ())), "")
	case "headers":
		send(invocation+"response", string(asJSON(header)), "")
	case "pid":
		send(invocation+"response", fmt.Sprint(os.Getpid()), "")
	case "exit":
		os.Exit(1)
	case "malformed":
		send(invocation+"response", `{"statusCode":"no number"}`, "")
	case "teapot":
		send(invocation+"response", `{"statusCode":418,"headers":{"X-Test":"yes"},"body":"short and stout","isBase64Encoded":false}`, "")
	case "http-echo", "http-echo/7":
		body, err := json.Marshal(map[string]any{"statusCode": 200, "headers": map[string]string{"Content-Type": "application/json"},
			"body": string(event), "isBase64Encoded": false})
		if err != nil || strings.HasPrefix(string(event), `"`) {
			body = event
		}
		send(invocation+"response", string(body), "")
	case "fail-twice":
		// The first two tries of an event fail.
		if tries++; tries <= 2 {
			send(invocation+"error", `{"errorMessage":"not yet"}`, "")
			return
		}
		send(invocation+"response", `"at last"`, "")
	case "big-memory":
		block := make([]byte, 200<<20)
		for i := range block {
			block[i] = 1
		}
		time.Sleep(time.Hour)
	case "stream", "stream-fail", "stream-break", "stream-http", "stream-prelude-only":
		stream(invocation+"response", behaviour)
	default:
		if text, ok := strings.CutPrefix(behaviour, "sleep-"); ok {
			sleep(text)
		}
		send(invocation+"response", string(event), "")
	}
}

var tries int

// stream answers in three pieces.
func stream(url, behaviour string) {
	r, w := io.Pipe()
	req, err := http.NewRequest(http.MethodPost, url, r)
	if err != nil {
		os.Exit(6)
	}
	req.Header.Set("Lambda-Runtime-Function-Response-Mode", "streaming")
	req.Header.Set("Content-Type", "application/octet-stream")
	pieces := []string{"one,", "two,", "three"}
	switch behaviour {
	case "stream-http":
		req.Header.Set("Content-Type", "application/vnd.awslambda.http-integration-response")
		pieces[0] = `{"statusCode":201,"headers":{"X-Test":"yes"},"cookies":["a=b"]}` + "\x00\x00\x00\x00\x00\x00\x00\x00" + "one,"
	case "stream-prelude-only":
		req.Header.Set("Content-Type", "application/vnd.awslambda.http-integration-response")
		pieces = []string{`{"statusCode":201}`}
	case "stream-fail":
		req.Trailer = http.Header{"Lambda-Runtime-Function-Error-Type": nil, "Lambda-Runtime-Function-Error-Body": nil}
	}
	go func() {
		for _, piece := range pieces {
			_, _ = io.WriteString(w, piece)
		}
		switch behaviour {
		case "stream-break":
			os.Exit(5)
		case "stream-fail":
			req.Trailer.Set("Lambda-Runtime-Function-Error-Type", "My.Error")
			req.Trailer.Set("Lambda-Runtime-Function-Error-Body", base64.StdEncoding.EncodeToString([]byte(`{"errorMessage":"midstream"}`)))
		}
		_ = w.Close()
	}()
	if res, err := http.DefaultClient.Do(req); err == nil {
		_ = res.Body.Close()
	}
}

func asJSON(v any) []byte {
	out, err := json.Marshal(v)
	if err != nil {
		os.Exit(5)
	}
	return out
}

func send(url, body, errorType string) {
	req, err := http.NewRequest(http.MethodPost, url, bytes.NewReader([]byte(body)))
	if err != nil {
		os.Exit(6)
	}
	if errorType != "" {
		req.Header.Set("Lambda-Runtime-Function-Error-Type", errorType)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		os.Exit(8)
	}
	_, _ = io.Copy(io.Discard, res.Body)
	_ = res.Body.Close()
}
