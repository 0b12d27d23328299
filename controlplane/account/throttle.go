package account

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"net/netip"
	"time"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

// limit is how many failed attempts a bucket takes in a window. What succeeds is
// taken back, so that nobody locks themselves out by working; what others failed
// at stays counted.
type limit struct {
	name   string
	most   int
	window time.Duration
}

// The buckets. A known device has its own, so that strangers cannot lock an owner
// out; and a right password does not touch those of the second factor. NIST SP
// 800-63B section 3.2.2 allows 100 failures in a row: a stranger has at most 20
// codes a day, one in 16,000 a day to guess one, with the password.
func passwordByIP() limit     { return limit{"password/ip", 30, 15 * time.Minute} }
func passwordByName() limit   { return limit{"password/name", 10, 15 * time.Minute} }
func passwordByDevice() limit { return limit{"password/device", 10, 15 * time.Minute} }
func codeByAccount() limit    { return limit{"code/account", 20, 24 * time.Hour} }
func codeByDevice() limit     { return limit{"code/device", 20, 24 * time.Hour} }

// bucket is what an attempt is counted in.
type bucket struct {
	limit
	key string
}

// of names the bucket of a thing. The thing is hashed: a name may be a password
// typed into the wrong field.
func (l limit) of(parts ...string) bucket {
	h := sha256.New()
	for _, p := range parts {
		h.Write([]byte(p))
		h.Write([]byte{0})
	}
	return bucket{l, l.name + "/" + hex.EncodeToString(h.Sum(nil)[:16])}
}

// network is the part of an address that one attacker holds: all of an IPv4
// address, the first 64 bits of an IPv6 one.
func network(ip netip.Addr) string {
	ip = ip.Unmap().WithZone("")
	if ip.Is6() {
		return netip.PrefixFrom(ip, 64).Masked().String()
	}
	return ip.String() // "invalid IP" for none at all: they share a bucket
}

// tally is one count in one bucket's window.
type tally struct {
	key    string
	endsAt time.Time
}

// counted is an attempt that was counted, for taking it back.
type counted []tally

// count adds one to each bucket and returns what was counted. over is the first
// bucket that is full, with when it ends; the buckets behind it stay as they are,
// so that an address that is shut out cannot lock names.
func count(ctx context.Context, tx controlplane.Tx, now time.Time, buckets []bucket) (done counted, over *full, err error) {
	for _, b := range buckets {
		a, err := tx.CountAttempt(ctx, b.key, now, b.window)
		if err != nil {
			return nil, nil, err
		}
		if a.Count > b.most {
			return nil, &full{bucket: b, until: a.EndsAt, first: a.Count == b.most+1}, nil
		}
		done = append(done, tally{b.key, a.EndsAt})
	}
	return done, nil, nil
}

// full is a bucket that takes no more.
type full struct {
	bucket
	until time.Time
	// first: this attempt is the one that found it full.
	first bool
}

func (f *full) error(now time.Time) error {
	return &controlplane.Error{
		Code: controlplane.CodeLimit, RetryAfter: max(f.until.Sub(now), time.Second),
		Message: "too many attempts; wait and try again",
	}
}

// refund takes an attempt back.
func (c counted) refund(ctx context.Context, tx controlplane.Tx) error {
	for _, b := range c {
		if err := tx.RefundAttempt(ctx, b.key, b.endsAt); err != nil {
			return err
		}
	}
	return nil
}
