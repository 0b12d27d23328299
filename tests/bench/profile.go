package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"sync"
	"time"
)

// profileFile is what xcaddy.mk gives the compiler. It does not lie beside the main
// package, where every build would compile all of Caddy anew for it.
const profileFile = "default.pgo"

// profileFor is how long requests of each kind are profiled.
const profileFor = 8 * time.Second

// measureProfile writes the CPU profile by which the compiler arranges the server
// (-profile). It measures nothing for the report.
func measureProfile(ctx context.Context, o options, dir string, _ *report) (err error) {
	r := &refusing{}
	defer func() { err = errors.Join(err, r.stop()) }()
	if err := r.open(ctx, o, dir); err != nil {
		return err
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
	var loads sync.WaitGroup
	var loadErr error
	loads.Go(func() {
		for _, one := range mix {
			loadErr = errors.Join(loadErr, one(ctx))
		}
	})
	text, err := r.profile(ctx, profileFor*time.Duration(len(mix)))
	loads.Wait()
	if err = errors.Join(err, loadErr); err != nil {
		return err
	}
	return os.WriteFile(o.profile, text, 0o644)
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
