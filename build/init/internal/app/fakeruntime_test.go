package app

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
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
	}
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
	default:
		send(invocation+"response", string(event), "")
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
