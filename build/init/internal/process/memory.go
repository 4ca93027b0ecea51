package process

import (
	"bytes"
	"os"
	"strconv"
	"sync"
	"syscall"
)

// statusSize is enough of a status file to reach the memory's lines: a
// process in some three hundred supplementary groups still fits.
const statusSize = 4096

// memory is what a process holds, in bytes, as /proc/N/status tells it. Of a
// process that has ended and is not yet buried all is 0.
type memory struct {
	// size is its address space, peak the most that was ever resident.
	size, peak int64
	// resident are its pages in memory: its own (anonymous), those of
	// files, and those of shared memory.
	resident, anonymous, files, shared int64
}

// used is what the process does not merely have from a file. A kernel before
// 4.5 does not tell these apart.
func (m memory) used() int64 {
	if held := m.anonymous + m.shared; held > 0 {
		return held
	}
	return m.resident
}

// parseMemory reads a status file. What is not there, or is no number, is 0.
func parseMemory(status []byte) memory {
	var m memory
	for line := range bytes.Lines(status) {
		name, value, found := bytes.Cut(line, []byte(":"))
		if !found || len(name) < 5 || name[0] != 'V' && name[0] != 'R' {
			continue
		}
		switch string(name) {
		case "VmSize":
			m.size = parseKilobytes(value)
		case "VmHWM":
			m.peak = parseKilobytes(value)
		case "VmRSS":
			m.resident = parseKilobytes(value)
		case "RssAnon":
			m.anonymous = parseKilobytes(value)
		case "RssFile":
			m.files = parseKilobytes(value)
		case "RssShmem":
			m.shared = parseKilobytes(value)
			// The last of them.
			return m
		}
	}
	return m
}

// parseKilobytes reads "  1234 kB" as bytes; 0 when that is not what it is.
func parseKilobytes(value []byte) int64 {
	digits, found := bytes.CutSuffix(bytes.TrimSpace(value), []byte("kB"))
	if !found {
		return 0
	}
	kilobytes, err := strconv.ParseUint(string(bytes.TrimSpace(digits)), 10, 53)
	if err != nil {
		return 0
	}
	return int64(kilobytes) * 1024
}

// statusFile is the open status file of a process: to read it again costs one
// system call, and no memory.
type statusFile struct {
	file *os.File
	conn syscall.RawConn

	// mu guards what a reading is made with.
	mu     sync.Mutex
	buffer [statusSize]byte
	length int
	pread  func(fd uintptr) bool
}

// openPeak opens the status file of a process; nil when it cannot be had, as
// where /proc is not mounted or hides the processes of others.
func openPeak(pid int) *statusFile {
	file, err := os.Open("/proc/" + strconv.Itoa(pid) + "/status")
	if err != nil {
		return nil
	}
	conn, err := file.SyscallConn()
	if err != nil {
		_ = file.Close()
		return nil
	}
	s := &statusFile{file: file, conn: conn}
	s.pread = func(fd uintptr) bool {
		// Of an ended process nothing can be read.
		s.length, _ = syscall.Pread(int(fd), s.buffer[:], 0)
		return true
	}
	return s
}

// peak is VmHWM, the peak resident set; 0 when it cannot be had.
func (s *statusFile) peak() int64 {
	if s == nil {
		return 0
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.conn.Read(s.pread) != nil || s.length <= 0 {
		return 0
	}
	return parseMemory(s.buffer[:s.length]).peak
}

func (s *statusFile) close() {
	if s != nil {
		_ = s.file.Close()
	}
}
