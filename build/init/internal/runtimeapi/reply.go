package runtimeapi

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
)

// ErrTooLarge is a body beyond its limit.
var ErrTooLarge = errors.New("the body is too large")

// discardLimit is how much of a refused body is still read, so that its
// sender can read the refusal.
const discardLimit = 64 << 20

// ReadBody reads a whole request body, into a buffer of its exact size when
// the sender named it. A limit of 0 is none.
func ReadBody(r *http.Request, limit int64) ([]byte, error) {
	length := r.ContentLength
	if limit > 0 && length > limit {
		return nil, tooLarge(r.Body)
	}
	if length == 0 {
		return nil, nil
	}
	if length > 0 {
		body := make([]byte, length)
		_, err := io.ReadFull(r.Body, body)
		return body, err
	}
	if limit <= 0 {
		return io.ReadAll(r.Body)
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, limit+1))
	if err == nil && int64(len(body)) > limit {
		return nil, tooLarge(r.Body)
	}
	return body, err
}

func tooLarge(body io.Reader) error {
	if _, err := io.CopyN(io.Discard, body, discardLimit); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	return ErrTooLarge
}

// ErrorBody is the JSON of an error in Lambda's shape.
func ErrorBody(errorType, message string) []byte {
	body, err := json.Marshal(struct {
		ErrorType    string `json:"errorType,omitempty"`
		ErrorMessage string `json:"errorMessage"`
	}{errorType, message})
	if err != nil {
		// Two strings always have a JSON form.
		panic(err)
	}
	return body
}

func (v *Server) refuse(w http.ResponseWriter, err error) {
	var transition *transitionError
	switch {
	case errors.As(err, &transition):
		writeError(w, http.StatusForbidden, "InvalidStateTransition", v.dialect.refusal(transition))
	case errors.Is(err, errInvalidRequestID):
		writeError(w, http.StatusBadRequest, "InvalidRequestID", err.Error())
	default:
		// A runtime that is told 500 is to end.
		writeError(w, http.StatusInternalServerError, "InternalServerError", "Internal Server Error")
	}
}

func refuseTooLarge(w http.ResponseWriter, limit int64) {
	writeError(w, http.StatusRequestEntityTooLarge, "RequestEntityTooLarge",
		fmt.Sprintf("Exceeded maximum allowed payload size (%d bytes).", limit))
}

func accept(w http.ResponseWriter) {
	writeJSON(w, http.StatusAccepted, []byte("{\"status\":\"OK\"}\n"))
}

func writeError(w http.ResponseWriter, status int, errorType, message string) {
	writeJSON(w, status, append(ErrorBody(errorType, message), '\n'))
}

func writeJSON(w http.ResponseWriter, status int, body []byte) {
	h := w.Header()
	h["Content-Type"] = []string{"application/json"}
	h["Content-Length"] = []string{strconv.Itoa(len(body))}
	w.WriteHeader(status)
	_, _ = w.Write(body)
}
