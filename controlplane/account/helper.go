package account

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"sync"
	"time"
)

const (
	// helperPatience is how long a helper may take: a hundred times what a hash takes
	// where nothing else runs.
	helperPatience = 5 * time.Second
	// helperRest is after how long without work a helper ends and its memory is free.
	helperRest = time.Minute
)

// HandOver lets processes of their own, of the lowest priority, make the hashes from
// now on. In this process even one at a time is felt by whatever runs beside it: it
// holds one of GOMAXPROCS for 10 ms in a row, and its 19 MiB make the collector run.
// docs/performance.md has what a payment takes beside a flood of sign-ins.
//
// command makes a command that runs [ServeHashes]; helpers start when they are needed.
// When one fails, onError is told and the hash is made here: people can sign in.
//
// Call it before anything is hashed, and [Hasher.Close] in the end.
func (h *Hasher) HandOver(command func() (*exec.Cmd, error), onError func(error)) {
	h.helpers = &helpers{command: command, onError: onError, patience: helperPatience}
	h.derive = h.helpers.derive
}

// Close ends the helpers and waits for them. What is hashed later is hashed here.
func (h *Hasher) Close() {
	if h.helpers != nil {
		h.helpers.close()
	}
}

// helpers are the processes that have nothing to do. The Hasher's slots bound how
// many there can be.
type helpers struct {
	command func() (*exec.Cmd, error)
	onError func(error)
	// patience is how long each may take.
	patience time.Duration
	running  sync.WaitGroup

	mu     sync.Mutex
	idle   []*helper
	closed bool
}

func (s *helpers) derive(password, salt []byte, c cost) []byte {
	key, err := s.try(question{c, salt, password})
	if err != nil {
		s.onError(err)
		return argon2id(password, salt, c)
	}
	return key
}

func (s *helpers) try(q question) ([]byte, error) {
	h, err := s.take()
	if err != nil {
		return nil, fmt.Errorf("start a helper: %w", err)
	}
	key, err := h.ask(q, s.patience)
	if err != nil {
		return nil, fmt.Errorf("ask a helper: %w", errors.Join(err, h.kill()))
	}
	s.give(h)
	return key, nil
}

// take prefers the helper that worked last, so that the others may end.
func (s *helpers) take() (*helper, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := len(s.idle)
	switch {
	case s.closed:
		return nil, errors.New("the server is stopping")
	case n == 0:
		return s.start()
	}
	h := s.idle[n-1]
	s.idle = s.idle[:n-1]
	h.rest.Stop()
	return h, nil
}

func (s *helpers) start() (*helper, error) {
	cmd, err := s.command()
	if err != nil {
		return nil, err
	}
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	h := &helper{in: in, out: out, process: cmd.Process, ended: make(chan error, 1)}
	s.running.Go(func() { h.ended <- cmd.Wait() })
	return h, nil
}

func (s *helpers) give(h *helper) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.idle = append(s.idle, h)
	h.rest = time.AfterFunc(helperRest, func() { s.dismiss(func(x *helper) bool { return x == h }) })
	if s.closed {
		h.rest.Reset(0)
	}
}

// dismiss ends those of the idle that are meant: a helper ends with its questions.
func (s *helpers) dismiss(meant func(*helper) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.idle = slices.DeleteFunc(s.idle, func(h *helper) bool { return meant(h) && h.in.Close() == nil })
}

func (s *helpers) close() {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.dismiss(func(*helper) bool { return true })
	s.running.Wait()
}

// helper is a process that runs [ServeHashes].
type helper struct {
	in      io.WriteCloser
	out     io.Reader
	process *os.Process
	ended   chan error
	rest    *time.Timer
}

func (h *helper) ask(q question, patience time.Duration) ([]byte, error) {
	late := time.AfterFunc(patience, func() { h.process.Kill() }) //nolint:errcheck // it has ended, which the answer's end tells
	defer late.Stop()
	if err := q.write(h.in); err != nil {
		return nil, err
	}
	key := make([]byte, keyLength)
	_, err := io.ReadFull(h.out, key)
	return key, err
}

// kill ends a helper that failed and returns what it died of.
func (h *helper) kill() error { return errors.Join(h.process.Kill(), <-h.ended) }
