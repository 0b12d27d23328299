package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/unknownpay/merchant-gateway/tests/redistest"
)

// measureRedis fills the report with a gateway whose nonces are in Redis against one
// that has them in its memory.
func measureRedis(ctx context.Context, h *host, o options, dir string, report *report) (err error) {
	shared := redistest.Start(h)
	secret := filepath.Join(dir, "redis-password")
	if err := os.WriteFile(secret, []byte(shared.Password), 0o600); err != nil {
		return err
	}
	upstream, stopUpstream, err := startUpstream()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stopUpstream()) }()
	remote, err := startLogged(ctx, o, dir, "nonces-redis", fmt.Sprintf("\t\treplay redis redis://%s {\n\t\t\tpassword_file %s\n\t\t\ttimeout 10s\n\t\t}", shared.Host(), secret), upstream)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, remote.stop()) }()
	own, err := startLogged(ctx, o, dir, "nonces-memory", "", upstream)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, own.stop()) }()
	if err := awaitVouched(ctx, remote); err != nil {
		return err
	}
	client := redis.NewClient(&redis.Options{Addr: shared.Host(), Password: shared.Password})
	defer func() { err = errors.Join(err, client.Close()) }()
	before, err := nonceCosts(ctx, client)
	if err != nil {
		return err
	}
	all, err := takeTurns(ctx, o, "redis", remote.load.subjects(0, remote.server)[0], own.load.subjects(0, own.server)[0])
	if err != nil {
		return err
	}
	after, err := nonceCosts(ctx, client)
	if err != nil {
		return err
	}
	how := fmt.Sprintf("%d rounds of %s each in turn, %d connections, no body; gateway on one core, load, upstream and Redis on the rest.", o.rounds, o.slice, o.connections)
	report.add("redis", how, redisHead+comparison{all[0], all[1]}.row("no body")+"\n"+after.since(before))
	return nil
}

// awaitVouched waits until a Redis that has just started is younger than the requests:
// a gateway refuses what an earlier one could have seen.
func awaitVouched(ctx context.Context, l logged) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	for {
		err := l.load.once(l.addr, newLoad(0))
		if err == nil || ctx.Err() != nil {
			return err
		}
		time.Sleep(100 * time.Millisecond)
	}
}

const redisHead = "| request | CPU per request, Redis ÷ memory | requests/s, Redis ÷ memory | Redis µs | memory µs | Redis req/s | memory req/s | noise |\n|---|---|---|---:|---:|---:|---:|---|\n"

// nonceCost is what a Redis has used so far.
type nonceCost struct {
	nonces, bytes int64
	cpu           float64 // seconds
}

func nonceCosts(ctx context.Context, client *redis.Client) (c nonceCost, err error) {
	text, err := client.Info(ctx, "cpu", "memory").Result()
	if err != nil {
		return c, err
	}
	if c.nonces, err = client.DBSize(ctx).Result(); err != nil {
		return c, err
	}
	for line := range strings.Lines(text) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), ":")
		var number float64
		switch name {
		case "used_cpu_sys", "used_cpu_user", "used_memory":
			if number, err = strconv.ParseFloat(value, 64); err != nil {
				return c, fmt.Errorf("%s: %w", name, err)
			}
		}
		switch name {
		case "used_cpu_sys", "used_cpu_user":
			c.cpu += number
		case "used_memory":
			c.bytes = int64(number)
		}
	}
	return c, nil
}

func (c nonceCost) since(before nonceCost) string {
	n := float64(c.nonces - before.nonces)
	return fmt.Sprintf("\nRedis itself used %.1f µs of CPU for each of %.0f nonces, and %.0f bytes of memory.\n", (c.cpu-before.cpu)/n*1e6, n, float64(c.bytes-before.bytes)/n)
}
