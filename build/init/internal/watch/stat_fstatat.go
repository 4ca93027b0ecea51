//go:build arm64 || riscv64

package watch

import "syscall"

// sysStatAt is fstatat, which has another name on each architecture.
const sysStatAt = syscall.SYS_FSTATAT
