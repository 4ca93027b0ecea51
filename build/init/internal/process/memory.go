package process

import (
	"bytes"
	"os"
	"strconv"
)

// openPeak opens the file that tells a process's peak memory. It stays open:
// reading it again costs one system call.
func openPeak(pid int) *os.File {
	file, err := os.Open("/proc/" + strconv.Itoa(pid) + "/status")
	if err != nil {
		return nil
	}
	return file
}

// readPeak reads VmHWM, the peak resident set; 0 when it cannot be had.
func readPeak(status *os.File) int64 {
	if status == nil {
		return 0
	}
	var buffer [2048]byte
	n, _ := status.ReadAt(buffer[:], 0)
	_, rest, found := bytes.Cut(buffer[:n], []byte("VmHWM:"))
	if !found {
		return 0
	}
	line, _, _ := bytes.Cut(rest, []byte("kB"))
	kilobytes, err := strconv.ParseInt(string(bytes.TrimSpace(line)), 10, 64)
	if err != nil {
		return 0
	}
	return kilobytes * 1024
}
