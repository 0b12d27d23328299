//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package replay

import (
	"os"
	"syscall"
)

// lock fails at once when another process has f locked. The kernel drops the lock with the process,
// so that one killed leaves nothing to clean up.
func lock(f *os.File) error {
	return syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
}
