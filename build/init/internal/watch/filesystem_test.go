package watch

import (
	"encoding/binary"
	"os"
	"strings"
	"syscall"
	"testing"
)

const mounts = `22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
30 22 0:27 / /sys rw,nosuid shared:7 master:2 - sysfs sysfs rw
41 22 0:300 /a\040b /var/task rw - fakeowner /run/host_mark/Users rw
42 22 0:1048577 / /opt rw - virtiofs share rw
43 22 0:55
44 22 0:56 / /x rw -
`

// number is a dev_t.
func number(major, minor uint64) uint64 {
	return minor&0xFF | major&0xFFF<<8 | minor&^0xFF<<12 | major&^0xFFF<<32
}

func TestMountType(t *testing.T) {
	cases := []struct {
		name         string
		major, minor uint64
		expected     string
	}{
		{"disk", 254, 0, "ext4"},
		{"optional fields", 0, 27, "sysfs"},
		{"minor of more than a byte", 0, 300, "fakeowner"},
		{"minor of more than two bytes", 0, 1048577, "virtiofs"},
		{"unknown", 9, 9, ""},
		{"line that ends early", 0, 55, ""},
		{"line without a type", 0, 56, ""},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if found := mountType([]byte(mounts), number(c.major, c.minor)); found != c.expected {
				t.Errorf("expected %q, found %q", c.expected, found)
			}
		})
	}
}

func FuzzMountType(f *testing.F) {
	f.Add([]byte(mounts), uint64(0xFE00))
	f.Add([]byte("1 2 0:0 - \n"), uint64(0))
	f.Fuzz(func(t *testing.T, text []byte, number uint64) {
		if found := mountType(text, number); !strings.Contains(string(text), found) || strings.ContainsAny(found, " \n") {
			t.Errorf("found %q in %q", found, text)
		}
	})
}

// The kernel's own table and statfs agree about what is mounted here.
func TestDeviceOf(t *testing.T) {
	table, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Skip("no /proc: ", err)
	}
	device, ok := deviceOf("/proc")
	if !ok {
		t.Fatal("/proc has no device")
	}
	if found := mountType(table, device); found != "proc" {
		t.Errorf("expected proc, found %q", found)
	}
}

func TestSilent(t *testing.T) {
	dir := t.TempDir()
	var status syscall.Statfs_t
	must(t, statfs(dir, &status))
	known := silentTypes
	defer func() { silentTypes = known }()
	silentTypes = nil
	if silent(dir + "/missing") {
		t.Error("a missing directory is silent")
	}
	if silent("/proc") {
		t.Error("/proc is silent")
	}
	silentTypes = []uint32{uint32(status.Type)}
	if !silent(dir) {
		t.Error("the file system's number is not looked at")
	}
	// And such a directory is polled, unless that is forbidden.
	w := watching(t, Options{}, dir)
	if w.events.any() {
		t.Error("the directory is not polled")
	}
	w = watching(t, Options{Poll: Never}, dir)
	if !w.events.any() {
		t.Error("the directory is polled")
	}
}

// entryOf lays out a name as the kernel does.
func entryOf(kind byte, name string) []byte {
	data := make([]byte, (direntName+len(name)+1+7)&^7)
	binary.NativeEndian.PutUint16(data[direntLength:], uint16(len(data)))
	data[direntKind] = kind
	copy(data[direntName:], name)
	return data
}

func FuzzParseDirent(f *testing.F) {
	f.Add(entryOf(syscall.DT_REG, "file"))
	f.Add(entryOf(syscall.DT_DIR, ".."))
	f.Add(append(entryOf(syscall.DT_DIR, "."), entryOf(syscall.DT_UNKNOWN, "seven77")...))
	f.Add(entryOf(syscall.DT_REG, ""))
	f.Add([]byte("short"))
	f.Fuzz(func(t *testing.T, data []byte) {
		for len(data) > 0 {
			e, size, ok := parseDirent(data)
			if !ok {
				return
			}
			if size <= 0 || size > len(data) || len(e.text()) == 0 {
				t.Fatalf("%d bytes of %d, name %q", size, len(data), e.text())
			}
			data = data[size:]
		}
	})
}

func TestParseDirent(t *testing.T) {
	e, size, ok := parseDirent(append(entryOf(syscall.DT_DIR, ".."), 1, 2, 3))
	if !ok || size != 24 || e.kind != syscall.DT_DIR || string(e.text()) != ".." || !e.itself() {
		t.Errorf("found %+v, %d bytes, %v", e, size, ok)
	}
	e, _, ok = parseDirent(entryOf(syscall.DT_REG, "..."))
	if !ok || string(e.text()) != "..." || e.itself() {
		t.Errorf("found %+v, %v", e, ok)
	}
}
