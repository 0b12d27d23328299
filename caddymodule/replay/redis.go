package replay

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/logging"
)

const (
	// redisKeep is how many seconds after its timestamp a nonce is kept: as long as any clock skew
	// that a gateway can be configured to lets it pass, and five minutes for clocks that differ. It
	// does not follow the configured skew: another gateway, or this one after a reload, may have a
	// wider one.
	redisKeep = MaxAhead + 300
	// redisWatch is how often the server is asked how it is.
	redisWatch = time.Second
)

// Redis is the nonce store of several gateways, safe for concurrent use. A nonce is one SET NX PX, one
// round trip; an answer that does not come in time is an error, and never repeated.
//
// It refuses a server that would forget: one that evicts, a replica, a cluster. It survives the loss
// of what Redis kept, by a restart, a failover or a flush, as Memory survives a crash: it refuses the
// requests that were signed before. See agree.
type Redis struct {
	client  *redis.Client
	address RedisAddress
	prefix  string
	// agreedKey holds the agreement of the gateways.
	agreedKey string
	clock     func() time.Time

	floor  atomic.Int64 // Unix second
	newest atomic.Int64 // newest timestamp that was recorded from here
	full   atomic.Int64
	failed atomic.Int64
	closed atomic.Bool

	mu     sync.Mutex
	loss   string // the last one that this gateway heard of
	server RedisServer
	// trouble is why nothing can be recorded, nil when all is well.
	trouble error

	stop context.CancelFunc
	done chan struct{}
}

// OpenRedis connects to a Redis. One that cannot be reached is no error: the store refuses until it
// can be. A server that answers, and is not fit or lets nobody in, is one.
func OpenRedis(ctx context.Context, o RedisOptions) (*Redis, error) {
	address, err := o.Check()
	if err != nil {
		return nil, fmt.Errorf("replay store: %w", err)
	}
	o.preset()
	r := &Redis{address: address, prefix: o.Prefix, agreedKey: o.Prefix + "agreed", clock: o.Clock, done: make(chan struct{})}
	// The client writes failures to standard error, unasked and without a limit.
	logging.Disable()
	if r.client, err = o.client(address, r.examine); err != nil {
		return nil, fmt.Errorf("replay store: %w", err)
	}
	if err := r.look(ctx); err != nil && answered(err) {
		return nil, errors.Join(fmt.Errorf("replay store: Redis at %s: %w", address, err), r.client.Close())
	}
	watching, stop := context.WithCancel(context.Background())
	r.stop = stop
	go r.watch(watching)
	return r, nil
}

func (o *RedisOptions) preset() {
	if o.Prefix == "" {
		o.Prefix = DefaultRedisPrefix
	}
	if o.Timeout == 0 {
		o.Timeout = DefaultRedisTimeout
	}
	if o.DialTimeout == 0 {
		o.DialTimeout = DefaultRedisDialTimeout
	}
	if o.Clock == nil {
		o.Clock = time.Now
	}
}

// errUnfit marks what a server answered that cannot be used.
var errUnfit = errors.New("cannot hold nonces")

// answered tells a server that says no from one that says nothing. One that is loading its data will
// say something else soon.
func answered(err error) bool {
	var said redis.Error
	return errors.Is(err, errUnfit) || errors.As(err, &said) && !strings.HasPrefix(said.Error(), "LOADING ")
}

// look examines the server over a connection of the pool.
func (r *Redis) look(ctx context.Context) error {
	c := r.client.Conn()
	err := r.examine(ctx, c)
	return errors.Join(err, c.Close())
}

// watch notices what happens to a server while its connections stay: a changed policy, a flush.
func (r *Redis) watch(ctx context.Context) {
	defer close(r.done)
	tick := time.NewTicker(redisWatch)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if err := r.look(ctx); err != nil && ctx.Err() != nil {
			return // what went wrong is kept by examine, for Use and for Server
		}
	}
}

func (r *Redis) learn(s RedisServer, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err != nil && !errors.Is(err, errUnfit) && errors.Is(r.trouble, errUnfit) {
		return // silence does not make it fit
	}
	r.trouble = err
	if err == nil {
		r.server = s
	}
}

// Use records that keyID used nonce; see [Memory.Use]. Here the errors mean: ErrRange, that the
// timestamp is at or below NotBefore, or more than MaxAhead in the future, or that expires is absurd;
// ErrFull, that Redis has no memory left; ErrUnavailable, that it did not answer in time, or not as
// it should. After ErrUnavailable the nonce may be recorded or not, so it cannot be used again.
func (r *Redis) Use(ctx context.Context, keyID, nonce string, timestamp, expires int64) (fresh bool, err error) {
	now := r.clock().Unix()
	if r.closed.Load() {
		return false, ErrClosed
	}
	if timestamp < 1 || timestamp > math.MaxUint32 || timestamp > now+MaxAhead || expires <= timestamp || expires-timestamp > maxRetention {
		return false, ErrRange
	}
	keep := max(expires, timestamp+redisKeep) - now
	if timestamp <= r.floor.Load() || keep < 1 {
		return false, ErrRange
	}
	if err := r.fitness(); err != nil {
		return false, r.fail(err)
	}
	raise(&r.newest, timestamp)
	fresh, err = r.client.SetNX(ctx, r.key(keyID, nonce), "", time.Duration(keep)*time.Second).Result()
	if err != nil {
		return false, r.fail(err)
	}
	// The connection may be a new one, to a server that has forgotten.
	if timestamp <= r.floor.Load() {
		return false, ErrRange
	}
	return fresh, nil
}

// fitness is the reason for which the server that answers must not be used.
func (r *Redis) fitness() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if errors.Is(r.trouble, errUnfit) {
		return r.trouble
	}
	return nil // one that did not answer may do so now
}

func (r *Redis) fail(err error) error {
	if said := redis.Error(nil); errors.As(err, &said) && strings.HasPrefix(said.Error(), "OOM ") {
		r.full.Add(1)
		return ErrFull
	}
	if r.closed.Load() {
		return ErrClosed
	}
	r.failed.Add(1)
	return fmt.Errorf("%w: Redis at %s: %w", ErrUnavailable, r.address, err)
}

// key stands for one (key id, nonce) in 128 bits, as the digest of a Memory does, but by a hash that
// every gateway computes alike: no two pairs make the same message, for the length of the key id
// says where it ends.
func (r *Redis) key(keyID, nonce string) string {
	message := make([]byte, 0, 128)
	message = binary.BigEndian.AppendUint64(message, uint64(len(keyID)))
	message = append(append(message, keyID...), nonce...)
	sum := sha256.Sum256(message)
	return r.prefix + base64.RawURLEncoding.EncodeToString(sum[:16])
}

// NotBefore is the floor, as of a Memory: Redis may have forgotten requests that were signed up to
// this Unix second. 0 means no restriction.
func (r *Redis) NotBefore() int64 { return r.floor.Load() }

// Stats counts the keys of the database; there is no capacity but the memory of the server.
func (r *Redis) Stats() Stats {
	r.mu.Lock()
	defer r.mu.Unlock()
	return Stats{Live: r.server.Keys, Full: r.full.Load(), Failed: r.failed.Load()}
}

// Server is what the server last said of itself, and why it cannot be used now, nil if it can.
func (r *Redis) Server() (RedisAddress, RedisServer, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.address, r.server, r.trouble
}

// Close refuses further use. The nonces stay in Redis. Calls after the first do nothing.
func (r *Redis) Close() error {
	if r.closed.Swap(true) {
		return nil
	}
	r.stop()
	<-r.done
	return r.client.Close()
}
