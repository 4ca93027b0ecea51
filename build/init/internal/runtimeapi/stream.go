package runtimeapi

import (
	"encoding/base64"
	"errors"
	"io"
	"strconv"
	"time"

	"imagemill/init/internal/wire"
)

// pieceSize is how much of a stream is handed on at a time at most.
const pieceSize = 32 << 10

// takeStream hands a streamed response on as it comes; for a caller that wants
// the whole it is collected.
func (v *Server) takeStream(x *wire.Exchange, s *Session, e *Event) {
	answer := newAnswer(x)
	taker, limit := e.Taker, v.MaxStream
	answer.Streamed = taker != nil
	if taker == nil {
		taker, limit = (*collector)(&answer.Body), v.MaxResponse
	}
	taker.Begin(answer.ContentType)
	size, err := copyStream(taker, x, limit)
	answer.Size = size
	switch {
	case err != nil:
		broken := brokenAnswer(err)
		broken.Streamed, broken.Size = answer.Streamed, size
		s.endAnswer(e, broken)
		v.refuseBody(x, err)
	default:
		failMidstream(&answer, x.Trailer())
		s.endAnswer(e, answer)
		accept(x)
	}
}

// copyStream returns how many bytes came, of at most limit; 0 is no limit.
func copyStream(to Taker, from io.Reader, limit int64) (size int64, err error) {
	piece := make([]byte, pieceSize)
	for {
		n, err := from.Read(piece)
		if limit > 0 && size+int64(n) > limit {
			return size, wire.ErrTooLarge
		}
		if n > 0 {
			size += int64(n)
			to.Write(piece[:n])
		}
		if errors.Is(err, io.EOF) {
			return size, nil
		}
		if err != nil {
			return size, err
		}
	}
}

// failMidstream takes note of an error that the function met after it had
// begun to answer: its runtime tells of it in the trailer.
func failMidstream(a *Answer, trailer wire.Header) {
	errorType := trailer.Get("Lambda-Runtime-Function-Error-Type")
	encoded := trailer.Get("Lambda-Runtime-Function-Error-Body")
	if errorType == "" && encoded == "" {
		return
	}
	a.Failed, a.ErrorType = true, errorType
	body, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil || len(body) == 0 {
		body = ErrorBody(errorType, "the response broke off with an error")
	}
	a.Body = body
}

// collector is a Taker that keeps all.
type collector []byte

func (c *collector) Begin(string) {}

func (c *collector) Write(piece []byte) { *c = append(*c, piece...) }

// newAnswer returns an answer with what its request's header tells.
func newAnswer(x *wire.Exchange) Answer {
	var a Answer
	for i := range x.Header {
		name, value := x.Header[i].Name, x.Header[i].Value
		switch {
		case wire.EqualFold(name, "Content-Type"):
			a.ContentType = value
		case len(name) < 14 || !wire.EqualFold(name[:14], "Docker-Lambda-"):
		case wire.EqualFold(name, "Docker-Lambda-Log-Result"):
			a.LogResult = value
		case wire.EqualFold(name, "Docker-Lambda-Invoke-Wait"):
			a.Began = fromMilliseconds(value)
		case wire.EqualFold(name, "Docker-Lambda-Init-End"):
			a.InitEnded = fromMilliseconds(value)
		}
	}
	return a
}

// fromMilliseconds is a Unix time; the zero time when it is none.
func fromMilliseconds(text string) time.Time {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return time.Time{}
	}
	return time.UnixMilli(n)
}
