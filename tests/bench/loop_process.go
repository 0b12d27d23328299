package main

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"time"
)

// loopProcess is the bare loop in a process of its own, as the server that delivers
// is one: a loop in the receivers' process is spared the switches between processes.
type loopProcess struct {
	command *exec.Cmd
	in      io.WriteCloser
	orders  *json.Encoder
	answers *json.Decoder
}

type loopOrder struct {
	URLs []string
	For  time.Duration
}

type loopAnswer struct {
	PerSecond float64
	Error     string
}

// startLoop runs this program again, with the flag -loop.
func startLoop(ctx context.Context, caFile string) (*loopProcess, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	p := &loopProcess{command: exec.CommandContext(ctx, self, "-loop", caFile)}
	p.command.Stderr = os.Stderr
	if p.in, err = p.command.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := p.command.StdoutPipe()
	if err != nil {
		return nil, err
	}
	p.orders, p.answers = json.NewEncoder(p.in), json.NewDecoder(out)
	return p, p.command.Start()
}

// slice is that of the bare loop, over there.
func (p *loopProcess) slice(urls []string, d time.Duration) (perSecond float64, err error) {
	if err := p.orders.Encode(loopOrder{URLs: urls, For: d}); err != nil {
		return 0, err
	}
	var a loopAnswer
	if err := p.answers.Decode(&a); err != nil {
		return 0, err
	}
	if a.Error != "" {
		return 0, errors.New(a.Error)
	}
	return a.PerSecond, nil
}

func (p *loopProcess) stop() error {
	return errors.Join(p.in.Close(), p.command.Wait())
}

// serveLoop runs the slices that are asked for, until there are no more.
func serveLoop(ctx context.Context, caFile string, in io.Reader, out io.Writer) error {
	text, err := os.ReadFile(caFile)
	if err != nil {
		return err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(text) {
		return fmt.Errorf("%s: no certificate", caFile)
	}
	loop, orders, answers := newBareLoop(roots, loopers), json.NewDecoder(in), json.NewEncoder(out)
	for {
		var o loopOrder
		if err := orders.Decode(&o); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		var a loopAnswer
		if a.PerSecond, err = loop.slice(ctx, o.URLs, o.For); err != nil {
			a.Error = err.Error()
		}
		if err := answers.Encode(a); err != nil {
			return err
		}
	}
}
