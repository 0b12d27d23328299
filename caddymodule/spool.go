package caddymodule

import (
	"errors"
	"fmt"
	"os"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"
)

// spoolChunk is how much of a body on its way to a file is in memory.
const spoolChunk = 64 << 10

// spill moves the body to a file that has no name: nobody else can open it, and
// it is gone when the process ends, however it ends.
func (h *heldBody) spill() error {
	file, err := namelessFile()
	if err != nil {
		return err
	}
	h.file = file
	if h.buffer == nil {
		return h.grow(spoolChunk)
	}
	err = h.write(h.buffer.data)
	h.buffer.data = h.buffer.data[:0]
	return err
}

func (h *heldBody) write(p []byte) error {
	if _, err := h.file.Write(p); err != nil {
		return fmt.Errorf("%w: write the temporary file: %w", errBodyStorage, err)
	}
	return nil
}

func namelessFile() (*os.File, error) {
	file, err := os.CreateTemp("", "merchant-body-*")
	if err != nil {
		return nil, fmt.Errorf("%w: make a temporary file: %w", errBodyStorage, err)
	}
	if err := os.Remove(file.Name()); err != nil {
		return nil, fmt.Errorf("%w: unlink the temporary file: %w", errBodyStorage, errors.Join(err, file.Close()))
	}
	return file, nil
}

func closeSpool(file *os.File) {
	if err := file.Close(); err != nil {
		caddy.Log().Warn("close the spool file of a body", zap.Error(err))
	}
}
