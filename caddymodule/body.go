package caddymodule

import (
	"crypto/sha512"
	"errors"
	"fmt"
	"hash"
	"io"
	"net/http"
	"os"
	"sync"
	"sync/atomic"

	"github.com/unknownpay/merchant-gateway/controlplane/signature"
)

var (
	errBodyTooLarge = errors.New("the body is larger than the limit")
	// errBodyStorage is the class of failures on our side.
	errBodyStorage = errors.New("a body cannot be held")
	errNoRoom      = fmt.Errorf("%w: the budget for buffered bodies is used up: raise body_budget", errBodyStorage)
)

// bodies holds the bodies of requests from before their verification until the
// upstream has them.
type bodies struct {
	budget  budget
	buffers buffers
}

// bodyLimits say how a body may be held.
type bodyLimits struct {
	max   int64 // bytes
	spool int64 // bytes in memory, at least 1; what is longer goes to a file
}

// heldBody is a body that was read. The transport may go on reading it after the
// handler has returned, so every read takes the lock and looks whether the body is
// still held: a recycled buffer would send one merchant's body as another's.
type heldBody struct {
	owner *bodies

	mu     sync.Mutex
	buffer *buffer
	file   *os.File
	size   int64
	ended  bool

	reserved int64
	sha512   hash.Hash // nil unless asked for
	sums     signature.Body
	first    bodyReader
}

// hold reads src, whose length is known or -1, to its end. It returns what it has
// read, also with an error: errBodyTooLarge, errNoRoom, or that of src.
func (b *bodies) hold(src io.Reader, length int64, limits bodyLimits, hashes signature.Hashes) (*heldBody, error) {
	h := &heldBody{owner: b}
	if hashes&signature.HashSHA512 != 0 {
		h.sha512 = sha512.New()
	}
	if length > limits.max {
		return h, errBodyTooLarge
	}
	if err := h.begin(length, limits); err != nil {
		return h, err
	}
	return h, h.fill(src, limits)
}

// firstBuffer is for a body that does not say how long it is.
const firstBuffer = 4 << 10

func (h *heldBody) begin(length int64, limits bodyLimits) error {
	switch {
	case length > limits.spool:
		return h.spill()
	case length < 0:
		return h.grow(min(firstBuffer, limits.spool))
	}
	return h.grow(length)
}

// grow moves the body to a buffer of at least n bytes.
func (h *heldBody) grow(n int64) error {
	fresh := h.owner.buffers.get(n)
	more := int64(cap(fresh.data)) - h.reserved
	if !h.owner.budget.reserve(more) {
		h.owner.buffers.put(fresh)
		return errNoRoom
	}
	h.reserved += more
	if old := h.buffer; old != nil {
		fresh.data = append(fresh.data, old.data...)
		fresh.sha, old.sha = old.sha, fresh.sha
		h.owner.buffers.put(old)
	}
	h.buffer = fresh
	return nil
}

func (h *heldBody) fill(src io.Reader, limits bodyLimits) error {
	for {
		room := h.room(limits)
		n, err := src.Read(room)
		if err := h.keep(room[:n], limits); err != nil {
			return err
		}
		switch {
		case h.size > limits.max:
			return errBodyTooLarge
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		}
	}
}

// full says at which length the buffer cannot take more in place.
func (h *heldBody) full(limits bodyLimits) int64 {
	return min(int64(cap(h.buffer.data)), limits.spool)
}

// room is where the next bytes go. A full buffer does not grow before another
// byte has come, because usually none will.
func (h *heldBody) room(limits bodyLimits) []byte {
	if h.file != nil {
		return h.buffer.data[:min(int64(cap(h.buffer.data)), limits.max-h.size+1)]
	}
	if room := h.buffer.data[len(h.buffer.data):h.full(limits)]; len(room) > 0 {
		return room
	}
	return h.buffer.probe[:]
}

// keep accounts for bytes that were read into [heldBody.room].
func (h *heldBody) keep(p []byte, limits bodyLimits) error {
	if len(p) == 0 {
		return nil
	}
	h.buffer.sha.Write(p)
	if h.sha512 != nil {
		h.sha512.Write(p)
	}
	h.size += int64(len(p))
	if h.file == nil && int64(len(h.buffer.data)) < h.full(limits) {
		h.buffer.data = h.buffer.data[:len(h.buffer.data)+len(p)]
		return nil
	}
	if err := h.makeRoom(limits); err != nil {
		return err
	}
	if h.file != nil {
		return h.write(p)
	}
	h.buffer.data = append(h.buffer.data, p...)
	return nil
}

// makeRoom makes the full buffer larger, or moves it to a file.
func (h *heldBody) makeRoom(limits bodyLimits) error {
	switch {
	case h.file != nil:
		return nil
	case h.size > limits.spool:
		return h.spill()
	}
	return h.grow(min(4*int64(cap(h.buffer.data)), limits.spool))
}

// whole returns what the signature is checked against.
func (h *heldBody) whole() signature.Body {
	h.sums.Length = h.size
	h.buffer.sha.Sum(h.sums.SHA256[:0])
	if h.sha512 != nil {
		h.sha512.Sum(h.sums.SHA512[:0])
	}
	return h.sums
}

// memory is the body itself unless it lies in a file.
func (h *heldBody) memory() []byte {
	switch {
	case h == nil:
		return []byte{} // no body, which is known to the last byte
	case h.file != nil:
		return nil
	}
	return h.buffer.data
}

// attach gives the held body to the handlers behind, in the place of the one that
// was read.
func (h *heldBody) attach(r *http.Request) {
	h.first.body = h
	r.Body = &h.first
	r.ContentLength = h.size
	r.TransferEncoding = nil
	r.GetBody = func() (io.ReadCloser, error) { return &bodyReader{body: h}, nil }
}

// end recycles the memory and removes the file. Reads that come later fail.
func (h *heldBody) end() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.ended {
		return
	}
	h.ended = true
	if h.buffer != nil {
		h.owner.buffers.put(h.buffer)
		h.buffer = nil
	}
	h.owner.budget.release(h.reserved)
	if h.file != nil {
		closeSpool(h.file)
	}
}

// readAt copies, so that nobody holds the memory longer than the lock.
func (h *heldBody) readAt(p []byte, at int64) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case h.ended:
		return 0, http.ErrBodyReadAfterClose
	case at >= h.size:
		return 0, io.EOF
	case h.file != nil:
		return h.file.ReadAt(p[:min(int64(len(p)), h.size-at)], at)
	}
	n := copy(p, h.buffer.data[at:])
	if at+int64(n) == h.size {
		return n, io.EOF
	}
	return n, nil
}

// bodyReader reads a held body from its beginning, once. A retry has one of its
// own, so that two attempts cannot take bytes from each other.
type bodyReader struct {
	body   *heldBody
	at     int64
	closed atomic.Bool
}

func (r *bodyReader) Read(p []byte) (int, error) {
	if r.closed.Load() {
		return 0, http.ErrBodyReadAfterClose
	}
	n, err := r.body.readAt(p, r.at)
	r.at += int64(n)
	return n, err
}

func (r *bodyReader) Close() error {
	r.closed.Store(true)
	return nil
}
