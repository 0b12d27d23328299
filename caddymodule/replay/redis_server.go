package replay

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/redis/go-redis/v9"
)

// maxClockGap is how far, in seconds, the clocks of a gateway and of Redis may be apart. redisKeep is made for it.
const maxClockGap = 60

// RedisServer is what a Redis says of itself.
type RedisServer struct {
	Version string
	// Keys are those of the database, others' included.
	Keys int64
	// Bytes it uses, and may use; MaxBytes is 0 for no limit.
	Bytes, MaxBytes int64

	runID, role, policy string
	cluster             bool
	clock               int64 // Unix second
}

// fit refuses a server on which a nonce could be forgotten, or recorded somewhere else.
func (s *RedisServer) fit(now int64) error {
	gap := now - s.clock
	switch {
	case s.runID == "":
		return errors.New("it does not say who it is: its user needs the command INFO")
	case s.cluster:
		return errors.New("it is part of a cluster; use one Redis, or one behind Sentinel")
	case s.role != "master":
		return fmt.Errorf("its role is %q; use the address of the primary", s.role)
	case s.policy != "noeviction":
		return fmt.Errorf("its maxmemory-policy is %q, which forgets nonces when memory is short; set noeviction", s.policy)
	case gap > maxClockGap || gap < -maxClockGap:
		return fmt.Errorf("its clock is %d seconds from that of this machine; synchronise both", gap)
	}
	return nil
}

// parseInfo reads the answer of INFO, lines of "name:value".
func parseInfo(text string) (s RedisServer) {
	numbers := map[string]*int64{"used_memory": &s.Bytes, "maxmemory": &s.MaxBytes}
	texts := map[string]*string{"redis_version": &s.Version, "run_id": &s.runID, "role": &s.role, "maxmemory_policy": &s.policy}
	for line := range strings.Lines(text) {
		name, value, _ := strings.Cut(strings.TrimRight(line, "\r\n"), ":")
		if into := texts[name]; into != nil {
			*into = value
		}
		if into := numbers[name]; into != nil {
			if n, err := strconv.ParseInt(value, 10, 64); err == nil {
				*into = n
			}
		}
		if name == "cluster_enabled" {
			s.cluster = value != "0"
		}
	}
	return s
}

// agreement is what the gateways leave in Redis for one another.
type agreement struct {
	// runID is the run of the server that they know, loss the name of the last time that it may have
	// lost nonces.
	runID, loss string
	floor       int64
}

func (a agreement) String() string {
	return a.runID + " " + a.loss + " " + strconv.FormatInt(a.floor, 10)
}

// parseAgreement returns the zero one for what no gateway wrote.
func parseAgreement(text string) agreement {
	words := strings.Split(text, " ")
	if len(words) != 3 || words[0] == "" || words[1] == "" {
		return agreement{}
	}
	floor, err := strconv.ParseInt(words[2], 10, 64)
	if err != nil || floor < 1 {
		return agreement{}
	}
	return agreement{words[0], words[1], floor}
}

// examineTries is how often gateways that write their agreement at one moment try again.
const examineTries = 5

// examine decides whether nonces may be recorded over a connection. Every new one is examined before
// its first use, and the server once a second.
func (r *Redis) examine(ctx context.Context, c *redis.Conn) (err error) {
	var s RedisServer
	for range examineTries {
		var before agreement
		if s, before, err = r.ask(ctx, c); err == nil {
			err = r.agree(ctx, c, s.runID, before)
		}
		if !errors.Is(err, redis.TxFailedErr) {
			break
		}
	}
	r.learn(s, err)
	return err
}

// ask learns about the server in one round trip. before is zero when there is no agreement; a write
// that follows fails with redis.TxFailedErr if it has changed in between.
func (r *Redis) ask(ctx context.Context, c *redis.Conn) (s RedisServer, before agreement, err error) {
	var (
		info, text *redis.StringCmd
		size       *redis.IntCmd
		clock      *redis.TimeCmd
	)
	_, err = c.Pipelined(ctx, func(p redis.Pipeliner) error {
		p.Do(ctx, "UNWATCH")
		p.Do(ctx, "WATCH", r.agreedKey)
		info, text, size, clock = p.Info(ctx), p.Get(ctx, r.agreedKey), p.DBSize(ctx), p.Time(ctx)
		return nil
	})
	if info.Val() != "" && clock.Err() == nil {
		s = parseInfo(info.Val())
		s.Keys, s.clock = size.Val(), clock.Val().Unix()
		if unfit := s.fit(r.clock().Unix()); unfit != nil {
			return s, before, fmt.Errorf("%w: %w", errUnfit, unfit)
		}
	}
	if err != nil && !errors.Is(err, redis.Nil) {
		return s, before, err
	}
	// Pipelined returns the first error, and that may be of a GET that found nothing.
	for _, c := range []redis.Cmder{info, size, clock} {
		if c.Err() != nil {
			return s, before, c.Err()
		}
	}
	return s, parseAgreement(text.Val()), nil
}

// agree raises the floor when the server may have lost nonces, and shares it with the other gateways.
//
// A server with another run id was restarted, or is the replica that took over: it does not know what
// it lost. An agreement that is gone was flushed with everything else. Requests that were signed up to
// now are then refused, as after a crash of a [Memory], and so are timestamps up to the newest that
// any gateway had accepted: each adds its own when it hears of the loss.
func (r *Redis) agree(ctx context.Context, c *redis.Conn, runID string, before agreement) error {
	after := r.raiseFloor(runID, before)
	if after == before {
		return nil
	}
	_, err := c.TxPipelined(ctx, func(p redis.Pipeliner) error {
		p.Set(ctx, r.agreedKey, after.String(), 0)
		return nil
	})
	return err
}

func (r *Redis) raiseFloor(runID string, before agreement) (after agreement) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.clock().Unix()
	if before.floor > now+MaxAhead+2*maxClockGap {
		before = agreement{} // nobody agreed on that
	}
	after = agreement{runID, before.loss, 0}
	if before.runID != runID {
		after.loss = rand.Text()
		raise(&r.floor, max(before.floor, now))
	}
	raise(&r.floor, before.floor)
	if after.loss != r.loss {
		raise(&r.floor, r.newest.Load())
		r.loss = after.loss
	}
	after.floor = r.floor.Load()
	return after
}
