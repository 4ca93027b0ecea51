package telemetry

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"strconv"
	"syscall"
	"time"
)

// link is the connection to a subscriber. It is kept for the next batch.
type link struct {
	conn   net.Conn
	to     Destination
	reader *bufio.Reader
}

// send sends one batch, and for HTTP waits for the answer to it.
func (l *link) send(ctx context.Context, to Destination, body []byte, p patience) error {
	if err := l.open(ctx, to, p); err != nil {
		return err
	}
	conn := l.conn
	// To close the connection ends whatever waits for it.
	undo := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer undo()
	var err error
	reusable := true
	if to.Protocol == tcpProtocol {
		_, err = conn.Write(body)
		reusable = err == nil
	} else {
		reusable, err = l.post(to, body)
	}
	if !reusable {
		l.close()
	}
	return err
}

// open sees to it that there is a connection that works, as far as can be
// seen, until the time for an answer is over.
func (l *link) open(ctx context.Context, to Destination, p patience) error {
	if l.conn != nil && l.to == to {
		if l.conn.SetDeadline(time.Now().Add(p.answer)) == nil && l.alive() {
			return nil
		}
	}
	l.close()
	dialer := net.Dialer{Timeout: p.dial, KeepAlive: -1}
	conn, err := dialer.DialContext(ctx, "tcp", to.Address)
	if err != nil {
		return fmt.Errorf("no connection to the subscriber: %w", err)
	}
	if err := conn.SetDeadline(time.Now().Add(p.answer)); err != nil {
		_ = conn.Close()
		return fmt.Errorf("no connection to the subscriber: %w", err)
	}
	l.conn, l.to, l.reader = conn, to, bufio.NewReader(conn)
	return nil
}

func (l *link) close() {
	if l.conn != nil {
		_ = l.conn.Close()
		l.conn, l.reader = nil, nil
	}
}

// maxScraps is how many reads of unasked bytes are made at a time.
const maxScraps = 16

// alive is whether the other side has neither closed the connection nor, for
// HTTP, said what nobody has asked. What it says over TCP is passed over.
func (l *link) alive() bool {
	if l.reader.Buffered() > 0 {
		return false
	}
	socket, ok := l.conn.(syscall.Conn)
	if !ok {
		return true
	}
	raw, err := socket.SyscallConn()
	if err != nil {
		return false
	}
	var scrap [512]byte
	for range maxScraps {
		var n int
		var readErr error
		err := raw.Read(func(fd uintptr) bool {
			n, readErr = syscall.Read(int(fd), scrap[:])
			return true
		})
		switch {
		case err != nil:
			return false
		case readErr == syscall.EAGAIN:
			return true
		case readErr == syscall.EINTR:
		case n <= 0 || l.to.Protocol != tcpProtocol:
			return false
		}
	}
	return true
}

// post sends a batch by HTTP. Anything but success is an error.
func (l *link) post(to Destination, body []byte) (reusable bool, err error) {
	head := make([]byte, 0, 256)
	head = append(head, "POST "+to.Path+" HTTP/1.1\r\nHost: "+to.Host+"\r\n"...)
	head = append(head, "Content-Type: application/json\r\nContent-Length: "...)
	head = strconv.AppendInt(head, int64(len(body)), 10)
	head = append(head, "\r\n\r\n"...)
	message := net.Buffers{head, body}
	if _, err := message.WriteTo(l.conn); err != nil {
		return false, fmt.Errorf("the subscriber does not take its events: %w", err)
	}
	answer, err := readAnswer(l.reader)
	if err != nil {
		return false, fmt.Errorf("the subscriber does not answer: %w", err)
	}
	if answer.status < 200 || answer.status > 299 {
		err = fmt.Errorf("the subscriber answers with status %d", answer.status)
	}
	return answer.reusable, err
}
