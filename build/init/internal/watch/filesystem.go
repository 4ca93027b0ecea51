package watch

import (
	"bytes"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"syscall"
)

// The file systems whose files others change without our kernel knowing: by
// the f_type of statfs(2). Numbers that have no comment are in
// include/uapi/linux/magic.h of the kernel.
var silentTypes = []uint32{
	// FUSE, and what is built on it: virtiofs (Docker Desktop, Lima, Podman
	// machine), gRPC-FUSE and osxfs (older Docker Desktop), sshfs,
	// vmhgfs-fuse. Some of these pass on some changes, none all.
	0x65735546,
	// 9p: drives of Windows in WSL 2, minikube, gVisor.
	0x01021997,
	// NFS.
	0x6969,
	// SMB, in its three generations (smbfs, cifs, smb2).
	0x517B, 0xFF534D42, 0xFE534D42,
	// Shared folders of VirtualBox: fs/vboxsf/super.c of the kernel.
	0x786F4256,
	// Shared folders of VMware and Parallels, whose modules are not in the
	// kernel: src/stat.c of GNU coreutils.
	0xBACBACBC, 0x7C7C6673,
	// The host's files in user-mode Linux.
	0x00C0FFEE,
	// Ceph, AFS (OpenAFS and the kernel's own), Coda, NetWare, OCFS2.
	0x00C36400, 0x5346414F, 0x6B414653, 0x73757245, 0x564C, 0x7461636F,
	// GFS2, Lustre, GPFS, Panasas, StorNext: src/stat.c of GNU coreutils.
	0x01161970, 0x0BD00BD0, 0x47504653, 0xAAD7AAEA, 0xBEEFDEAD,
}

// silentNames are those that are known by the name of their mount only, as
// /proc/self/mountinfo has it: fakeowner is what Docker Desktop since 4.15
// puts on top of virtiofs; VirtualBox's own module has another number.
var silentNames = []string{"fakeowner", "osxfs", "grpcfuse", "virtiofs", "vboxsf"}

// silent is whether changes of a directory's files may not be reported.
func silent(path string) bool {
	var status syscall.Statfs_t
	if statfs(path, &status) != nil {
		return false
	}
	if slices.Contains(silentTypes, uint32(status.Type)) {
		return true
	}
	number, ok := deviceOf(path)
	if !ok {
		return false
	}
	// Without /proc the number has to do.
	mounts, _ := os.ReadFile("/proc/self/mountinfo")
	return slices.Contains(silentNames, mountType(mounts, number))
}

func statfs(path string, status *syscall.Statfs_t) error {
	for {
		if err := syscall.Statfs(path, status); err != syscall.EINTR {
			return err
		}
	}
}

func deviceOf(path string) (uint64, bool) {
	info, err := os.Lstat(path)
	if err != nil {
		return 0, false
	}
	status, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return 0, false
	}
	return status.Dev, true
}

// mountType is the file system's name in the text of mountinfo (see proc(5)),
// found by the device number; "" when there is none.
func mountType(mounts []byte, number uint64) string {
	// As major and minor are in a dev_t, which is 64 bits wide.
	major := number>>8&0xFFF | number>>32&^0xFFF
	minor := number&0xFF | number>>12&^0xFF&0xFFFFFFFF
	wanted := strconv.FormatUint(major, 10) + ":" + strconv.FormatUint(minor, 10)
	for line := range bytes.Lines(mounts) {
		before, after, found := bytes.Cut(line, []byte(" - "))
		fields := bytes.Fields(before)
		if !found || len(fields) < 3 || string(fields[2]) != wanted {
			continue
		}
		name, _, _ := bytes.Cut(after, []byte(" "))
		return string(bytes.TrimSpace(name))
	}
	return ""
}

// device is where the last directory looked at lives.
type device struct {
	number uint64
	known  bool
}

// differs is whether a directory is on another file system than the one
// before; the first is not.
func (d *device) differs(entry fs.DirEntry) bool {
	info, err := entry.Info()
	if err != nil {
		return false
	}
	status, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return false
	}
	differs := d.known && status.Dev != d.number
	d.number, d.known = status.Dev, true
	return differs
}
