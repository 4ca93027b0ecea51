package wire

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"net/http"
	"time"
)

// script is a connection whose other side has sent all it has to say, which
// comes in pieces of the given lengths, over and over.
type script struct {
	net.Conn
	left  []byte
	cuts  []byte
	reads int
	// said is what has been written to it.
	said bytes.Buffer
}

func (s *script) Read(p []byte) (int, error) {
	if len(s.left) == 0 {
		return 0, io.EOF
	}
	n := len(s.left)
	if len(s.cuts) > 0 {
		n = int(s.cuts[s.reads%len(s.cuts)]) + 1
		s.reads++
	}
	n = copy(p, s.left[:min(n, len(s.left))])
	s.left = s.left[n:]
	return n, nil
}

func (s *script) Write(p []byte) (int, error) { return s.said.Write(p) }

func (s *script) SetReadDeadline(time.Time) error { return nil }

// ours is what this package makes of a request.
type ours struct {
	head
	body    string
	trailer Header
	// rest is how many bytes are left for the next request.
	rest    int
	bodyErr error
}

func parseOurs(raw, cuts []byte) (ours, error) {
	conn := &script{left: raw, cuts: cuts}
	in := newInput(conn)
	text, err := in.head(0)
	if err != nil {
		return ours{}, err
	}
	h, err := parseHead(text, nil)
	if err != nil {
		return ours{}, err
	}
	b := newBody(in, &h, func() error { return nil })
	content, err := b.all(0)
	return ours{h, string(content), b.trailer, in.buffered() + len(conn.left), err}, nil
}

// theirs is what net/http makes of it.
type theirs struct {
	*http.Request
	body    string
	rest    int
	bodyErr error
}

func parseTheirs(raw []byte) (theirs, error) {
	source := bytes.NewReader(raw)
	// As large as net/http wants a trailer to be at most.
	reader := bufio.NewReaderSize(source, max(len(raw), 4096))
	r, err := http.ReadRequest(reader)
	if err != nil {
		return theirs{}, err
	}
	content, err := io.ReadAll(r.Body)
	return theirs{r, string(content), reader.Buffered() + source.Len(), err}, nil
}
