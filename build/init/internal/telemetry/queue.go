package telemetry

import "time"

// entry is an event in a queue.
type entry struct {
	data  []byte
	since time.Time
	// notice is what the event tells of, if it is one of lost events.
	notice drops
}

// queue holds what is to be sent to one subscriber, within bounds. Its user
// holds a lock.
type queue struct {
	entries []entry
	bytes   int
	// maxEntries and maxBytes are its bounds.
	maxEntries, maxBytes int
	// added counts the entries there ever were, settled those that were sent
	// or given up.
	added, settled uint64
	// dropped are the events that nobody has been told of.
	dropped drops
}

// The queue holds as many batches as these, besides the one that is being
// sent.
const (
	queuedItems = 2
	queuedBytes = 4
)

// keptEntries is how much room an empty queue keeps.
const keptEntries = 1024

func newQueue(s Subscription) queue {
	q := queue{}
	q.limit(s)
	return q
}

func (q *queue) limit(s Subscription) {
	q.maxEntries, q.maxBytes = queuedItems*s.MaxItems, queuedBytes*s.MaxBytes
}

func (q *queue) empty() bool { return len(q.entries) == 0 }

// full is whether a batch need not wait.
func (q *queue) full(s Subscription) bool {
	return len(q.entries) >= s.MaxItems || q.bytes >= s.MaxBytes
}

// age is how long the oldest entry has waited.
func (q *queue) age() time.Duration { return time.Since(q.entries[0].since) }

// add queues an event, or counts it as lost: then it returns false. Whoever has
// lost some is told so before anything else, if that is to be told.
func (q *queue) add(data []byte, tell bool) bool {
	tell = tell && q.dropped.records > 0
	size := len(data)
	if tell {
		size += noticeSize
	}
	if !q.fits(size) {
		q.drop(data)
		return false
	}
	if tell {
		q.tell()
	}
	q.put(entry{data: data, since: time.Now()})
	return true
}

// matters is whether the last entry is one that the sender should know of: the
// first, by which it counts the time, or one that makes a batch full.
func (q *queue) matters(s Subscription) bool { return len(q.entries) <= 2 || q.full(s) }

// fits is whether there is room. An empty queue has room for anything.
func (q *queue) fits(size int) bool {
	return q.empty() || len(q.entries) < q.maxEntries-1 && q.bytes+size <= q.maxBytes
}

func (q *queue) put(e entry) {
	q.entries = append(q.entries, e)
	q.bytes += len(e.data)
	q.added++
}

func (q *queue) drop(data []byte) { q.dropped.add(drops{1, int64(len(data))}) }

// noticeSize is about what a notice takes.
const noticeSize = 256

// tell queues a notice of what was dropped.
func (q *queue) tell() {
	now := time.Now()
	event := Event{now, "platform.logsDropped", LogsDropped{
		DroppedBytes:   q.dropped.bytes,
		DroppedRecords: q.dropped.records,
		Reason:         "the subscriber did not take its events in time",
	}}
	data := event.AppendJSON(make([]byte, 0, noticeSize))
	q.put(entry{data: data, since: now, notice: q.dropped})
	q.dropped = drops{}
}

// take takes the next batch: at least one entry, and no more than a batch may
// have.
func (q *queue) take(s Subscription) []entry {
	n, size := 0, 0
	for n < len(q.entries) && n < s.MaxItems {
		size += len(q.entries[n].data)
		if n > 0 && size > s.MaxBytes {
			break
		}
		n++
	}
	batch := make([]entry, n)
	copy(batch, q.entries)
	for i := range batch {
		q.bytes -= len(batch[i].data)
	}
	rest := copy(q.entries, q.entries[n:])
	clear(q.entries[rest:])
	q.entries = q.entries[:rest]
	if rest == 0 && cap(q.entries) > keptEntries {
		q.entries = nil
	}
	return batch
}

// settle is told what has become of a batch. What is lost is counted, and after
// a success the subscriber is told of it, if it is to be told: one that takes
// nothing is not told that again and again. The result is what was lost.
func (q *queue) settle(batch []entry, sent, tell bool) (lost drops) {
	q.settled += uint64(len(batch))
	if sent {
		lost = q.dropped
		if tell && lost.records > 0 {
			q.tell()
		}
		q.dropped = drops{}
		return lost
	}
	for _, e := range batch {
		if e.notice.records > 0 {
			q.dropped.add(e.notice)
		} else {
			q.drop(e.data)
		}
	}
	return drops{}
}
