package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
)

// runtimeAPI is the Runtime API, on one connection that stays open.
type runtimeAPI struct {
	base   string
	client *http.Client
}

// newRuntimeAPI returns the API at an address, host:port.
func newRuntimeAPI(address string) *runtimeAPI {
	// no proxy: that of the environment is the function's
	transport := &http.Transport{MaxConnsPerHost: 1, DisableCompression: true}
	return &runtimeAPI{"http://" + address + "/2018-06-01/runtime/", &http.Client{Transport: transport}}
}

// next waits for an event.
func (a *runtimeAPI) next() (*InvokeRequest, error) {
	response, err := a.client.Get(a.base + "invocation/next")
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	payload, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, err
	}
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("the Runtime API answers %s to a request for an event", response.Status)
	}
	return event(response.Header, payload)
}

func event(header http.Header, payload []byte) (*InvokeRequest, error) {
	deadline, err := strconv.ParseInt(header.Get("Lambda-Runtime-Deadline-Ms"), 10, 64)
	if err != nil {
		return nil, fmt.Errorf("the event's deadline: %w", err)
	}
	var identity struct {
		ID     string `json:"cognitoIdentityId"`
		PoolID string `json:"cognitoIdentityPoolId"`
	}
	if text := header.Get("Lambda-Runtime-Cognito-Identity"); text != "" {
		if err := json.Unmarshal([]byte(text), &identity); err != nil {
			return nil, fmt.Errorf("the caller's identity: %w", err)
		}
	}
	return &InvokeRequest{
		Payload:               payload,
		RequestId:             header.Get("Lambda-Runtime-Aws-Request-Id"),
		XAmznTraceId:          header.Get("Lambda-Runtime-Trace-Id"),
		Deadline:              timestamp{deadline / 1000, deadline % 1000 * 1_000_000},
		InvokedFunctionArn:    header.Get("Lambda-Runtime-Invoked-Function-Arn"),
		CognitoIdentityId:     identity.ID,
		CognitoIdentityPoolId: identity.PoolID,
		ClientContext:         []byte(header.Get("Lambda-Runtime-Client-Context")),
	}, nil
}

// respond answers an event.
func (a *runtimeAPI) respond(id string, payload []byte) error {
	return a.post("invocation/"+id+"/response", payload, nil)
}

// fail answers an event with an error.
func (a *runtimeAPI) fail(id string, failed *failure) error {
	return a.report("invocation/"+id+"/error", failed)
}

// initError reports that the function could not be started.
func (a *runtimeAPI) initError(failed *failure) error {
	return a.report("init/error", failed)
}

func (a *runtimeAPI) report(place string, failed *failure) error {
	body, err := json.Marshal(failed)
	if err != nil {
		return err
	}
	return a.post(place, body, http.Header{"Lambda-Runtime-Function-Error-Type": {failed.Type}})
}

// post sends an answer. That the API refuses one, as it does when it is too large or too late, is no error: the caller
// has been told.
func (a *runtimeAPI) post(place string, body []byte, header http.Header) error {
	request, err := http.NewRequest(http.MethodPost, a.base+place, bytes.NewReader(body))
	if err != nil {
		return err
	}
	for name, values := range header {
		request.Header[name] = values
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := a.client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	_, err = io.Copy(io.Discard, response.Body)
	return err
}
