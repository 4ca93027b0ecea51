package telemetry

// item is an event as it is sent.
type item struct {
	kind Kind
	// plain has a line as a string; structured, if there is that form, as the
	// object it is.
	plain      []byte
	structured []byte
}

func (it item) size() int { return len(it.plain) + len(it.structured) }

// drops counts what could not be delivered.
type drops struct{ records, bytes int64 }

func (d *drops) add(more drops) {
	d.records += more.records
	d.bytes += more.bytes
}

// Bounds of what is kept for those who subscribe late.
const (
	backlogItems = 2048
	backlogBytes = 1 << 20
)

// backlog keeps the newest events.
type backlog struct {
	items []item
	bytes int
	// lost are older ones, by kind.
	lost map[Kind]drops
}

func (b *backlog) add(it item) {
	b.items = append(b.items, it)
	b.bytes += it.size()
	for len(b.items) > backlogItems || b.bytes > backlogBytes {
		oldest := b.items[0]
		b.items[0] = item{}
		b.items = b.items[1:]
		b.bytes -= oldest.size()
		if b.lost == nil {
			b.lost = map[Kind]drops{}
		}
		lost := b.lost[oldest.kind]
		lost.add(drops{1, int64(len(oldest.plain))})
		b.lost[oldest.kind] = lost
	}
}

// replay tells a subscriber what has happened before.
func (b *backlog) replay(kinds Kind, sub *subscriber) {
	for kind, lost := range b.lost {
		if kind&kinds != 0 {
			sub.missed(lost)
		}
	}
	for _, it := range b.items {
		if it.kind&kinds != 0 {
			sub.add(it)
		}
	}
}
