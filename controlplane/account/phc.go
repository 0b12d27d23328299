package account

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/crypto/argon2"
)

// Parameters of argon2id: the OWASP Password Storage Cheat Sheet's second choice,
// which control-plane.md section 4 fixes. p=1 keeps one sign-in on one core.
const (
	memoryKiB  = 19 * 1024
	iterations = 2
	laneCount  = 1
	saltLength = 16
	keyLength  = 32
)

// errMalformedHash never quotes the hash.
var errMalformedHash = errors.New("the stored password hash is malformed")

// cost is what makes a hash expensive.
type cost struct {
	memory uint32 // KiB
	time   uint32
	lanes  uint8
}

var presentCost = cost{memoryKiB, iterations, laneCount}

// phc is a hash in the PHC string format:
// $argon2id$v=19$m=19456,t=2,p=1$<salt>$<key>.
type phc struct {
	cost
	salt, key []byte
}

// b64 is the PHC format's: no padding, and no second spelling of the same bytes.
var b64 = base64.RawStdEncoding.Strict()

func (h phc) String() string {
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version,
		h.memory, h.time, h.lanes, b64.EncodeToString(h.salt), b64.EncodeToString(h.key))
}

// parsePHC reads only what String writes, at no more than the present cost: a row
// that someone else could write must not decide how much memory a sign-in takes.
func parsePHC(text string) (phc, error) {
	part := strings.Split(text, "$")
	if len(part) != 6 || part[0] != "" || part[1] != "argon2id" || part[2] != "v="+strconv.Itoa(argon2.Version) {
		return phc{}, errMalformedHash
	}
	var h phc
	var err error
	if h.cost, err = parseCost(part[3]); err != nil {
		return phc{}, err
	}
	salt, saltErr := b64.DecodeString(part[4])
	key, keyErr := b64.DecodeString(part[5])
	if saltErr != nil || keyErr != nil || len(salt) != saltLength || len(key) != keyLength {
		return phc{}, errMalformedHash
	}
	h.salt, h.key = salt, key
	if h.String() != text { // leading zeros, line breaks inside base64
		return phc{}, errMalformedHash
	}
	return h, nil
}

func parseCost(text string) (cost, error) {
	part := strings.Split(text, ",")
	if len(part) != 3 {
		return cost{}, errMalformedHash
	}
	var n [3]uint32
	for i, name := range []string{"m=", "t=", "p="} {
		digits, found := strings.CutPrefix(part[i], name)
		v, err := strconv.ParseUint(digits, 10, 32)
		if !found || err != nil {
			return cost{}, errMalformedHash
		}
		n[i] = uint32(v)
	}
	memory, time, lanes := n[0], n[1], n[2]
	if c := (cost{memory, time, uint8(lanes)}); lanes == laneCount && c.bearable() {
		return c, nil
	}
	return cost{}, errMalformedHash
}

// bearable says that a hash costs no more than those made now.
func (c cost) bearable() bool {
	return c.lanes == laneCount && c.time >= 1 && c.time <= iterations && c.memory >= 8*laneCount && c.memory <= memoryKiB
}
