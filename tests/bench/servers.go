package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"testing"
)

// host stands in for a test where pgtest and redistest want one: what is asked of it
// here is to end with the measurement.
type host struct {
	testing.TB

	dir     string
	err     error
	cleanup []func()
}

// Helper has nothing to leave out: errors here name no line.
func (h *host) Helper() {}

// Error keeps what was found, beside what was found before.
func (h *host) Error(args ...any) { h.err = errors.Join(h.err, errors.New(fmt.Sprint(args...))) }

// Errorf is Error with a format.
func (h *host) Errorf(format string, args ...any) {
	h.err = errors.Join(h.err, fmt.Errorf(format, args...))
}

// Fatal ends the measurement, as it would a test.
func (h *host) Fatal(args ...any) {
	h.Error(args...)
	runtime.Goexit()
}

// Fatalf is Fatal with a format.
func (h *host) Fatalf(format string, args ...any) {
	h.Errorf(format, args...)
	runtime.Goexit()
}

// Cleanup keeps what is to be done when the measurement is over.
func (h *host) Cleanup(f func()) { h.cleanup = append(h.cleanup, f) }

// TempDir goes with the folder of the whole run.
func (h *host) TempDir() string {
	dir, err := os.MkdirTemp(h.dir, "server")
	if err != nil {
		h.Fatal(err)
	}
	return dir
}

// withServers makes a part of a measurement that needs servers of its own. They end
// with it, whatever it returns.
func withServers(measure func(context.Context, *host, options, string, *report) error) func(context.Context, options, string, *report) error {
	return func(ctx context.Context, o options, dir string, report *report) error {
		h := &host{dir: dir}
		h.run(func() {
			defer func() {
				for _, f := range slices.Backward(h.cleanup) {
					h.run(f)
				}
			}()
			if err := measure(ctx, h, o, dir, report); err != nil {
				h.Error(err)
			}
		})
		return h.err
	}
}

// run calls f where Fatal can end it.
func (h *host) run(f func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		f()
	}()
	<-done
}
