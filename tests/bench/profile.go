package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"time"
)

// profileFile is what xcaddy.mk gives the compiler. It does not lie beside the main
// package, where every build would compile all of Caddy anew for it.
const profileFile = "default.pgo"

// profileFor is how long requests of each kind are profiled.
const profileFor = 8 * time.Second

// measureProfile writes the CPU profile by which the compiler arranges the server
// (-profile): of the gate and of delivery. It measures nothing for the report.
func measureProfile(ctx context.Context, o options, dir string, _ *report) error {
	files := []string{filepath.Join(dir, "gate.pprof"), filepath.Join(dir, "delivery.pprof")}
	for i, take := range []func(context.Context, options, string) ([]byte, error){profileGate, profileDelivery} {
		text, err := take(ctx, o, dir)
		if err == nil {
			err = os.WriteFile(files[i], text, 0o600)
		}
		if err != nil {
			return err
		}
	}
	merge := exec.CommandContext(ctx, "go", append([]string{"tool", "pprof", "-proto", "-output", o.profile}, files...)...)
	merge.Stderr = os.Stderr
	return merge.Run()
}

func profileGate(ctx context.Context, o options, dir string) (_ []byte, err error) {
	r := &refusing{}
	defer func() { err = errors.Join(err, r.stop()) }()
	if err := r.open(ctx, o, dir); err != nil {
		return nil, err
	}
	standard := *r.live
	standard.standard = true
	mix := []func(context.Context) error{}
	for _, size := range []int{0, 512, 64 << 10} {
		mix = append(mix, func(ctx context.Context) error {
			_, err := r.live.run(ctx, r.server, size, profileFor)
			return err
		})
	}
	mix = append(mix, func(ctx context.Context) error {
		_, err := standard.run(ctx, r.server, 512, profileFor)
		return err
	}, func(ctx context.Context) error {
		_, err := r.test.with(faultSignature).run(ctx, r.server, 512, profileFor)
		return err
	})
	return r.server.profileUnder(ctx, mix)
}

func profileDelivery(ctx context.Context, o options, dir string) (_ []byte, err error) {
	receivers, err := startReceivers(dir, 100)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, receivers.server.Close()) }()
	o.slice = profileFor
	l, err := newLab(ctx, o, dir, "profiled", receivers)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, l.server.stop()) }()
	if err := l.addAll(ctx); err != nil {
		return nil, err
	}
	mix := []func(context.Context) error{}
	for _, k := range kinds() {
		if k.endpoints == len(l.merchants) {
			mix = append(mix, func(ctx context.Context) error {
				_, err := l.pass(ctx, k)
				return err
			})
		}
	}
	return l.server.profileUnder(ctx, mix)
}

// profileUnder takes a profile while loads run one after the other, each for profileFor.
func (s *server) profileUnder(ctx context.Context, mix []func(context.Context) error) ([]byte, error) {
	var loads sync.WaitGroup
	var loadErr error
	loads.Go(func() {
		for _, one := range mix {
			loadErr = errors.Join(loadErr, one(ctx))
		}
	})
	text, err := s.profile(ctx, profileFor*time.Duration(len(mix)))
	loads.Wait()
	return text, errors.Join(err, loadErr)
}

// profile asks the server where its CPU goes.
func (s *server) profile(ctx context.Context, d time.Duration) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("http://127.0.0.1/debug/pprof/profile?seconds=%.0f", d.Seconds()), nil)
	if err != nil {
		return nil, err
	}
	resp, err := s.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("profile: answer %d: %s", resp.StatusCode, text)
	}
	return text, err
}
