package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// failure is the body of an answer that tells of an error.
type failure struct {
	Type    string `json:"errorType"`
	Message string `json:"errorMessage"`
}

// judge says what is wrong with an answer, by what its event asked for.
func judge(do string, event []byte, got *answer, took, timeout time.Duration) error {
	if got.status != 200 {
		return fmt.Errorf("status %d, body %.200q", got.status, got.body)
	}
	if len(got.callID) == 0 {
		return fmt.Errorf("there is no x-amzn-RequestId; body %.200q", got.body)
	}
	if do == doEcho || do == doLarge {
		return judgeEcho(event, got)
	}
	if len(got.functionError) == 0 {
		return fmt.Errorf("there is no X-Amz-Function-Error; body %.200q", got.body)
	}
	var told failure
	if err := json.Unmarshal(got.body, &told); err != nil {
		return fmt.Errorf("the body is no error in JSON (%w): %.200q", err, got.body)
	}
	switch do {
	case doError:
		return judgeError(event, told, got)
	case doTimeout:
		return judgeTimeout(told, got, took, timeout)
	default:
		return judgeExit(told, got)
	}
}

func judgeEcho(event []byte, got *answer) error {
	if len(got.functionError) > 0 {
		return fmt.Errorf("X-Amz-Function-Error %q, body %.200q", got.functionError, got.body)
	}
	if !bytes.Equal(got.body, event) {
		return fmt.Errorf("the echo of %d bytes is not the event: %d bytes, %.80q", len(event), len(got.body), got.body)
	}
	return nil
}

func judgeError(event []byte, told failure, got *answer) error {
	nonce, _, _ := nonceOf(event)
	var meant failure
	if err := json.Unmarshal(errorBody(nonce), &meant); err != nil {
		return err
	}
	if told != meant {
		return fmt.Errorf("expected %+v, found %.200q", meant, got.body)
	}
	return nil
}

func judgeTimeout(told failure, got *answer, took, timeout time.Duration) error {
	// Both contracts say it so; what stands before it differs, but has the id.
	text := fmt.Sprintf("Task timed out after %.2f seconds", timeout.Seconds())
	if !strings.HasSuffix(told.Message, text) {
		return fmt.Errorf("the message does not end with %q: %.200q", text, got.body)
	}
	if !strings.Contains(told.Message, string(got.callID)) {
		return fmt.Errorf("the message does not hold the request's id %s: %.200q", got.callID, got.body)
	}
	if took < timeout {
		return fmt.Errorf("it came after %s already", took)
	}
	return nil
}

func judgeExit(told failure, got *answer) error {
	switch {
	case told.Type != "Runtime.ExitError" && told.Type != "exitError":
		return fmt.Errorf("the errorType of an exit is not %q: %.200q", told.Type, got.body)
	case !strings.Contains(told.Message, string(got.callID)):
		return fmt.Errorf("the message does not hold the request's id %s: %.200q", got.callID, got.body)
	default:
		return nil
	}
}
