package telemetry

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// TestBatches adds events at certain times and looks at when a batch is due,
// and how large it is.
func TestBatches(t *testing.T) {
	const timeout = 100 * time.Millisecond
	type step struct {
		after time.Duration
		sizes []int // of events to add
		batch int   // events in the batch that is due then; 0 for none
		wait  time.Duration
	}
	cases := []struct {
		name  string
		items int
		bytes int
		steps []step
	}{
		{"nothing", 10, 1000, []step{{0, nil, 0, forever}, {timeout, nil, 0, forever}}},
		{"time", 10, 1000, []step{
			{0, []int{5}, 0, timeout}, {timeout - 1, nil, 0, 1}, {1, nil, 1, 0}, {0, nil, 0, forever},
		}},
		{"time of the first", 10, 1000, []step{
			{0, []int{5}, 0, timeout}, {timeout / 2, []int{5}, 0, timeout / 2}, {timeout / 2, nil, 2, 0},
		}},
		{"time of what was left", 2, 1000, []step{
			{0, []int{1}, 0, timeout}, {30, []int{1, 1}, 2, 0}, {20, nil, 0, timeout - 20}, {timeout - 20, nil, 1, 0},
		}},
		{"one item short", 3, 1000, []step{{0, []int{1, 1}, 0, timeout}, {0, []int{1}, 3, 0}}},
		{"more items than a batch", 3, 1000, []step{{0, []int{1, 1, 1, 1}, 3, 0}, {0, nil, 0, timeout}}},
		{"one byte short", 10, 100, []step{{0, []int{99}, 0, timeout}, {0, []int{1}, 2, 0}}},
		{"more bytes than a batch", 10, 100, []step{{0, []int{60, 60}, 1, 0}, {0, nil, 0, timeout}}},
		{"one that is larger than a batch", 10, 100, []step{{0, []int{300}, 1, 0}}},
		{"a larger one after others", 10, 100, []step{{0, []int{10, 300}, 1, 0}, {0, nil, 1, 0}, {0, nil, 0, forever}}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				asked := Subscription{Kinds: Platform, MaxItems: c.items, MaxBytes: c.bytes, Timeout: timeout}
				s := newSubscriber("e", asked, standardPatience, nil)
				for i, step := range c.steps {
					time.Sleep(step.after)
					for _, size := range step.sizes {
						s.add(item{kind: Platform, plain: make([]byte, size)})
					}
					if batch, wait := s.next(); len(batch) != step.batch || wait != step.wait {
						t.Fatalf("step %d: expected %d events or to wait %v, found %d, %v", i, step.batch, step.wait, len(batch), wait)
					}
				}
			})
		})
	}
}

// TestQueueBounds adds until something is dropped.
func TestQueueBounds(t *testing.T) {
	cases := []struct {
		name               string
		items, bytes, size int
		kept               int
	}{
		{"items", 5, 1 << 20, 10, queuedItems*5 - 1},
		{"bytes", 1000, 1000, 100, queuedBytes * 10},
		{"one larger than all", 1000, 1000, 10000, 1},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			q := newQueue(Subscription{MaxItems: c.items, MaxBytes: c.bytes})
			for n := range c.kept + 20 {
				if kept := q.add(make([]byte, c.size), true); kept != (n < c.kept) {
					t.Fatalf("event %d is kept: %v", n, kept)
				}
			}
			if q.dropped != (drops{20, int64(20 * c.size)}) || len(q.entries) != c.kept || q.bytes != c.kept*c.size {
				t.Errorf("%d entries of %d bytes, dropped %+v", len(q.entries), q.bytes, q.dropped)
			}
		})
	}
}

// TestNotices follows the count of what was lost.
func TestNotices(t *testing.T) {
	s := Subscription{MaxItems: 2, MaxBytes: 1 << 20}
	add := func(q *queue, n int) {
		for range n {
			q.add([]byte("12345"), true)
		}
	}
	notices := func(entries []entry) (found []drops) {
		for _, e := range entries {
			found = append(found, e.notice)
		}
		return found
	}
	none := drops{}
	t.Run("after a success", func(t *testing.T) {
		q := newQueue(s)
		add(&q, 5)
		lost := q.settle(q.take(s), true, true)
		if expected := []drops{none, {2, 10}}; lost != (drops{2, 10}) || !slices.Equal(notices(q.entries), expected) {
			t.Errorf("lost %+v, queued %+v", lost, q.entries)
		}
	})
	t.Run("before the next", func(t *testing.T) {
		q := newQueue(s)
		add(&q, 5)
		q.take(s)
		add(&q, 1)
		if expected := []drops{none, {2, 10}, none}; !slices.Equal(notices(q.entries), expected) || q.dropped != none {
			t.Errorf("queued %+v", q.entries)
		}
	})
	t.Run("lost itself", func(t *testing.T) {
		q := newQueue(s)
		add(&q, 5)
		q.settle(q.take(s), true, true)
		if lost := q.settle(q.take(s), false, true); lost != none || q.dropped != (drops{3, 15}) || !q.empty() {
			t.Errorf("lost %+v, dropped %+v, queued %+v", lost, q.dropped, q.entries)
		}
	})
	t.Run("not to be told", func(t *testing.T) {
		q := newQueue(s)
		add(&q, 5)
		if lost := q.settle(q.take(s), true, false); lost != (drops{2, 10}) || len(q.entries) != 1 || q.dropped != none {
			t.Errorf("lost %+v, dropped %+v, queued %+v", lost, q.dropped, q.entries)
		}
	})
	t.Run("text", func(t *testing.T) {
		q := newQueue(s)
		q.dropped = drops{3, 15}
		q.tell()
		text := string(q.entries[0].data)
		if !strings.Contains(text, `"type":"platform.logsDropped","record":{"droppedBytes":15,"droppedRecords":3,"reason":"`) ||
			len(text) > noticeSize {
			t.Errorf("found %s", text)
		}
	})
}
