package telemetry

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"sync"
	"sync/atomic"
	"time"
	"unicode/utf8"
)

// Bus brings the events of one execution environment to those who have
// subscribed to them. Nothing that publishes ever waits for a subscriber.
type Bus struct {
	debug    func(format string, args ...any)
	patience patience

	// wanted are the kinds that anybody wants, or may want later on.
	wanted atomic.Uint32

	mu          sync.Mutex
	subscribers map[string]*subscriber
	// backlog is kept until the init is over, for those who subscribe late.
	backlog  backlog
	initOver bool
	closed   bool
	// ended counts the subscribers' goroutines.
	ended sync.WaitGroup
}

// NewBus returns a Bus of an environment that begins. debug writes a line for
// those who look for a fault; it may be nil.
func NewBus(debug func(format string, args ...any)) *Bus {
	if debug == nil {
		debug = func(string, ...any) {}
	}
	b := &Bus{debug: debug, patience: standardPatience, subscribers: map[string]*subscriber{}}
	b.wanted.Store(uint32(allKinds))
	return b
}

// errEnded is that nobody will be told anything any more.
var errEnded = errors.New("the execution environment ends; it takes no more subscriptions")

// Subscribe delivers events to an extension: those to come and, as long as the
// init is not over, those that there were. A second subscription of the same
// extension takes the place of the first, and does not repeat what that got.
func (b *Bus) Subscribe(extension string, s Subscription) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return errEnded
	}
	sub, known := b.subscribers[extension]
	missed := s.Kinds
	if known {
		missed &^= sub.replace(s)
	} else {
		sub = newSubscriber(extension, s, b.patience, b.debug)
		b.subscribers[extension] = sub
		b.ended.Go(sub.run)
	}
	b.backlog.replay(missed, sub)
	b.look()
	return nil
}

// Unsubscribe ends the deliveries to an extension that has gone. It does not
// wait for that.
func (b *Bus) Unsubscribe(extension string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if sub := b.subscribers[extension]; sub != nil {
		delete(b.subscribers, extension)
		sub.stop()
		b.look()
	}
}

// InitOver drops what was kept for those who subscribe late.
func (b *Bus) InitOver() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.initOver = true
	b.backlog = backlog{}
	b.look()
}

// look finds out again which kinds are wanted. The lock is held.
func (b *Bus) look() {
	kinds := noKind
	if !b.initOver {
		kinds = allKinds
	}
	for _, sub := range b.subscribers {
		kinds |= sub.kinds()
	}
	if b.closed {
		kinds = noKind
	}
	b.wanted.Store(uint32(kinds))
}

// Wants is whether somebody wants events of that kind, or may want them later.
func (b *Bus) Wants(kind Kind) bool { return b.wanted.Load()&uint32(kind) != 0 }

// Publish delivers an event to those who want it. It does not wait for them.
func (b *Bus) Publish(e Event) {
	if b.wanted.Load() == 0 {
		return
	}
	kind := e.kind()
	if !b.Wants(kind) {
		return
	}
	if line, isLine := e.Record.(string); isLine && kind != Platform {
		b.line(kind, e.Time, []byte(line))
		return
	}
	b.deliver(item{kind: kind, plain: e.AppendJSON(make([]byte, 0, 256))})
}

// Line delivers a line that a function or an extension has logged.
func (b *Bus) Line(kind Kind, line []byte) {
	if b.Wants(kind) {
		b.line(kind, time.Now(), line)
	}
}

func (b *Bus) line(kind Kind, at time.Time, line []byte) {
	// An eighth more is room for the escapes, mostly.
	head := appendHead(make([]byte, 0, len(line)+len(line)/8+80), at, kind.String())
	it := item{kind: kind}
	if isObject(line) {
		it.structured = appendObject(bytes.Clone(head), line)
	}
	it.plain = append(appendString(head, line), '}')
	b.deliver(it)
}

// isObject is whether a line is a JSON object.
func isObject(line []byte) bool {
	line = bytes.TrimSpace(line)
	return len(line) > 1 && line[0] == '{' && line[len(line)-1] == '}' && utf8.Valid(line) && json.Valid(line)
}

// appendObject ends an event with an object as its record, in one line.
func appendObject(out, object []byte) []byte {
	buffer := bytes.NewBuffer(out)
	// It has been found to be valid.
	_ = json.Compact(buffer, object)
	return append(buffer.Bytes(), '}')
}

func (b *Bus) deliver(it item) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return
	}
	if !b.initOver {
		b.backlog.add(it)
	}
	for _, sub := range b.subscribers {
		sub.add(it)
	}
}

// Flush delivers what there is now, and returns when that has arrived or when
// the deadline has passed.
func (b *Bus) Flush(deadline time.Time) {
	ctx, cancel := context.WithDeadline(context.Background(), deadline)
	defer cancel()
	b.mu.Lock()
	var settled []<-chan struct{}
	for _, sub := range b.subscribers {
		settled = append(settled, sub.flush())
	}
	b.mu.Unlock()
	for _, s := range settled {
		select {
		case <-s:
		case <-ctx.Done():
			b.debug("telemetry: not all could be delivered before the end")
			return
		}
	}
}

// Close ends all deliveries; what has not been delivered is lost.
func (b *Bus) Close() {
	b.mu.Lock()
	b.closed = true
	for _, sub := range b.subscribers {
		sub.stop()
	}
	clear(b.subscribers)
	b.backlog = backlog{}
	b.look()
	b.mu.Unlock()
	b.ended.Wait()
}
