//go:build unix

package roundtrip

import (
	"errors"
	"net"
	"syscall"
)

// probe looks whether a connection that waits is quiet, without waiting itself.
type probe struct {
	raw syscall.RawConn
	try func(fd uintptr) bool
	one [1]byte
	err error
}

// newProbe returns nil for what is not a connection of the operating system.
func newProbe(c net.Conn) *probe {
	s, ok := c.(syscall.Conn)
	if !ok {
		return nil
	}
	raw, err := s.SyscallConn()
	if err != nil {
		return nil
	}
	p := &probe{raw: raw}
	p.try = func(fd uintptr) bool {
		_, p.err = syscall.Read(int(fd), p.one[:])
		return true
	}
	return p
}

// quiet reports whether there is nothing to read, not even an end. A connection that
// is not quiet has lost a byte and cannot be used.
func (p *probe) quiet() bool {
	err := p.raw.Read(p.try)
	return err == nil && errors.Is(p.err, syscall.EAGAIN)
}
