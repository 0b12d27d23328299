package store

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"syscall"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

// instanceLock lets one process at a time have a database open: claims of work
// and the shared writer live in memory. The kernel lets go of it when the process
// dies, however it dies.
type instanceLock struct{ file *os.File }

// lockInstance takes the lock of the database at path, or says who holds it. The
// lock file stays behind on purpose: removing it would let two processes hold
// locks on two files of one name.
func lockInstance(path string) (*instanceLock, error) {
	f, err := os.OpenFile(path+".lock", os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open the lock file: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return nil, errors.Join(lockError(path, f, err), f.Close())
	}
	if err := writePID(f); err != nil {
		return nil, errors.Join(fmt.Errorf("write the lock file: %w", err), f.Close())
	}
	return &instanceLock{f}, nil
}

func lockError(path string, f *os.File, cause error) error {
	if !errors.Is(cause, syscall.EWOULDBLOCK) {
		return fmt.Errorf("lock %s: %w", f.Name(), cause)
	}
	return controlplane.Errorf(controlplane.CodeUnavailable,
		"%s is in use by process %s; use its admin socket, or stop it first", path, holder(f))
}

// holder reads who holds the lock; there is a moment in which they have not yet
// written it.
func holder(f *os.File) string {
	text, err := io.ReadAll(io.LimitReader(f, 20))
	pid := strings.TrimSpace(string(text))
	if _, bad := strconv.Atoi(pid); err != nil || bad != nil {
		return "(unknown)"
	}
	return pid
}

func writePID(f *os.File) error {
	if err := f.Truncate(0); err != nil {
		return err
	}
	_, err := f.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
	return err
}

// release lets go by closing the file.
func (l *instanceLock) release() error { return l.file.Close() }
