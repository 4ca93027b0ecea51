package watch

import (
	"syscall"
	"testing"
)

func FuzzEvents(f *testing.F) {
	f.Add(make([]byte, syscall.SizeofInotifyEvent))
	f.Add(append([]byte{1, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 8, 0, 0, 0}, "name\x00\x00\x00\x00"...))
	f.Add([]byte{1, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 255, 255, 255, 255})
	f.Add([]byte("short"))
	f.Fuzz(func(_ *testing.T, data []byte) {
		e := &events{fd: -1, paths: map[int32]string{1: "/no/such"}}
		e.changed(data)
	})
}

func TestEvents(t *testing.T) {
	cases := []struct {
		name       string
		descriptor int32
		mask       uint32
		file       string
		expected   bool
	}{
		{"write", 1, syscall.IN_MODIFY, "a", true},
		{"file of that name", 1, syscall.IN_CREATE, "__pycache__", true},
		{"directory that is ignored", 1, syscall.IN_CREATE | syscall.IN_ISDIR, "__pycache__", false},
		{"directory that is gone again", 1, syscall.IN_CREATE | syscall.IN_ISDIR, "a", true},
		{"more than the kernel keeps", -1, syscall.IN_Q_OVERFLOW, "", true},
		{"watch that has ended", 2, syscall.IN_MODIFY, "a", false},
		{"end of a watch", 1, syscall.IN_IGNORED, "", false},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			e := &events{fd: -1, paths: map[int32]string{1: "/no/such"}}
			if found := e.take(c.descriptor, c.mask, c.file); found != c.expected {
				t.Errorf("expected %v, found %v", c.expected, found)
			}
		})
	}
}
