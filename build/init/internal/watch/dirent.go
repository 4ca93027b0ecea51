package watch

import (
	"bytes"
	"encoding/binary"
	"syscall"
	"unsafe"
)

// dirent is one name in a directory, as getdents64(2) lays it out: inode and
// offset of 8 bytes each, a length of 2, a kind of 1, and the name, which ends
// with a zero byte.
type dirent struct {
	kind byte
	// name is in the buffer, with the zero byte and maybe more after it.
	name []byte
}

const (
	direntLength = 16
	direntKind   = 18
	direntName   = 19
)

// parseDirent reads the first name in the buffer, and how many bytes it takes.
func parseDirent(data []byte) (e dirent, size int, ok bool) {
	if len(data) <= direntName {
		return dirent{}, 0, false
	}
	size = int(binary.NativeEndian.Uint16(data[direntLength:]))
	if size <= direntName || size > len(data) {
		return dirent{}, 0, false
	}
	e = dirent{kind: data[direntKind], name: data[direntName:size]}
	return e, size, bytes.IndexByte(e.name, 0) > 0
}

// text is the name alone.
func (e dirent) text() []byte { return e.name[:bytes.IndexByte(e.name, 0)] }

// itself is whether it is the directory's name for itself or for its parent.
func (e dirent) itself() bool {
	text := e.text()
	return string(text) == "." || string(text) == ".."
}

// FUSE may interrupt any call, for which Go's own signals suffice.

func openDirectory(path string) (int, error) {
	for {
		fd, err := syscall.Open(path, syscall.O_RDONLY|syscall.O_DIRECTORY|syscall.O_NOFOLLOW|syscall.O_CLOEXEC, 0)
		if err != syscall.EINTR {
			return fd, err
		}
	}
}

func readDirectory(fd int, buffer []byte) (int, error) {
	for {
		n, err := syscall.ReadDirent(fd, buffer)
		if err != syscall.EINTR {
			return n, err
		}
	}
}

// statAt is fstatat(2) without following links; name ends with a zero byte.
func statAt(fd int, name unsafe.Pointer, status *syscall.Stat_t) error {
	const noFollow = 0x100 // AT_SYMLINK_NOFOLLOW
	for {
		_, _, errno := syscall.Syscall6(sysStatAt, uintptr(fd), uintptr(name),
			uintptr(unsafe.Pointer(status)), noFollow, 0, 0)
		switch errno {
		case 0:
			return nil
		case syscall.EINTR:
		default:
			return errno
		}
	}
}
