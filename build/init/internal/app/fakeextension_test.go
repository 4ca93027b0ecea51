package app

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"time"
)

// fakeExtension is an extension, external or internal, whose behaviour is
// named. What it gets, it prints.
func fakeExtension(behaviour string) {
	name := cmp.Or(os.Getenv("EXTENSION_NAME"), "internal")
	e := &extensionClient{api: "http://" + os.Getenv("AWS_LAMBDA_RUNTIME_API"), name: name}
	switch behaviour {
	case "silent":
		time.Sleep(time.Hour)
	case "exit":
		os.Exit(3)
	case "invoke":
		e.register(`["INVOKE"]`)
	default:
		e.register(`["INVOKE","SHUTDOWN"]`)
	}
	switch behaviour {
	case "init-error":
		e.post("init/error", "Extension.MyInit")
		os.Exit(1)
	case "telemetry":
		e.subscribe()
	}
	for {
		event := e.next()
		fmt.Printf("EXTENSION %s %s\n", name, event)
		switch {
		case strings.Contains(event, "SHUTDOWN") && behaviour == "stubborn":
			time.Sleep(time.Hour)
		case strings.Contains(event, "SHUTDOWN"):
			os.Exit(0)
		case behaviour == "crash":
			os.Exit(4)
		case behaviour == "slow":
			time.Sleep(300 * time.Millisecond)
		case behaviour == "hang":
			time.Sleep(time.Hour)
		}
	}
}

type extensionClient struct{ api, name, id string }

func (e *extensionClient) do(method, path, body string, header map[string]string) (*http.Response, string) {
	req, err := http.NewRequest(method, e.api+path, strings.NewReader(body))
	if err != nil {
		os.Exit(11)
	}
	for name, value := range header {
		req.Header.Set(name, value)
	}
	if e.id != "" {
		req.Header.Set("Lambda-Extension-Identifier", e.id)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		os.Exit(12)
	}
	answer, err := io.ReadAll(res.Body)
	if err != nil {
		os.Exit(13)
	}
	_ = res.Body.Close()
	return res, string(answer)
}

func (e *extensionClient) register(events string) {
	res, answer := e.do("POST", "/2020-01-01/extension/register", `{"events":`+events+`}`,
		map[string]string{"Lambda-Extension-Name": e.name, "Lambda-Extension-Accept-Feature": "accountId"})
	fmt.Printf("REGISTERED %s %d %s\n", e.name, res.StatusCode, answer)
	e.id = res.Header.Get("Lambda-Extension-Identifier")
}

func (e *extensionClient) next() string {
	res, answer := e.do("GET", "/2020-01-01/extension/event/next", "", nil)
	if res.StatusCode != 200 {
		os.Exit(14)
	}
	return answer
}

func (e *extensionClient) post(path, errorType string) {
	res, _ := e.do("POST", "/2020-01-01/extension/"+path, "{}",
		map[string]string{"Lambda-Extension-Function-Error-Type": errorType})
	if res.StatusCode != 202 {
		os.Exit(15)
	}
}

// subscribe gets telemetry, and prints the type of each event.
func (e *extensionClient) subscribe() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		os.Exit(16)
	}
	go func() {
		_ = http.Serve(listener, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			var events []struct {
				Type   string
				Record json.RawMessage
			}
			if json.NewDecoder(r.Body).Decode(&events) != nil {
				os.Exit(17)
			}
			for _, event := range events {
				if event.Type != "extension" { // or its own output would come back for ever
					fmt.Printf("TOLD %s %s\n", event.Type, event.Record)
				}
			}
		}))
	}()
	_, port, _ := net.SplitHostPort(listener.Addr().String())
	res, answer := e.do("PUT", "/2022-07-01/telemetry", `{"schemaVersion":"2022-12-13","types":["platform","function"],
		"buffering":{"maxItems":1000,"maxBytes":262144,"timeoutMs":25},
		"destination":{"protocol":"HTTP","URI":"http://sandbox.localdomain:`+port+`"}}`, nil)
	fmt.Printf("SUBSCRIBED %d %s\n", res.StatusCode, answer)
}
