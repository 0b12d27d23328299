package controlplane

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"time"
	"unicode/utf8"
)

const (
	// MaxEventData is the size of an event's data, in bytes.
	MaxEventData = 256 << 10
	// MaxEventBatch is how many events are taken in at once.
	MaxEventBatch = 1000
	// maxIdempotencyKey is the length of an idempotency key, in bytes.
	maxIdempotencyKey = 255
)

// Event is something that happened, as it is sent to merchants.
type Event struct {
	Row         int64       `json:"-"`
	ID          string      `json:"id"`
	MerchantID  string      `json:"merchant_id"`
	Environment Environment `json:"environment"`
	Type        EventType   `json:"type"`
	// Body is the bytes that are signed and sent, the same in every attempt.
	Body      json.RawMessage `json:"body"`
	CreatedAt time.Time       `json:"created_at"`
	// KeyHash is that of the idempotency key, ContentHash that of what came with
	// it: a key that comes again with other content is a mistake of the caller.
	KeyHash     [32]byte `json:"-"`
	ContentHash [32]byte `json:"-"`
}

// eventBody is what Standard Webhooks recommends for a payload, with our
// environment. data must be compact.
func eventBody(t EventType, at time.Time, env Environment, data []byte) []byte {
	b := make([]byte, 0, len(data)+128)
	b = append(b, `{"type":"`...)
	b = append(b, t...)
	b = append(b, `","timestamp":"`...)
	b = at.UTC().AppendFormat(b, "2006-01-02T15:04:05.000000Z")
	b = append(b, `","environment":"`...)
	b = append(b, env...)
	b = append(b, `","data":`...)
	b = append(b, data...)
	return append(b, '}')
}

// compactObject removes the spaces of a JSON object.
func compactObject(data []byte) ([]byte, error) {
	if len(data) > MaxEventData {
		return nil, fmt.Errorf("is %d bytes long, more than the %d that one event may have", len(data), MaxEventData)
	}
	if !utf8.Valid(data) {
		return nil, fmt.Errorf("is not UTF-8")
	}
	var out bytes.Buffer
	if err := json.Compact(&out, data); err != nil {
		return nil, fmt.Errorf("is not JSON: %s", err.Error())
	}
	if out.Len() == 0 || out.Bytes()[0] != '{' {
		return nil, fmt.Errorf(`must be a JSON object such as {"id":"dep_1"}`)
	}
	return out.Bytes(), nil
}

// hashParts is SHA-256 over parts, each preceded by its length.
func hashParts(parts ...[]byte) [32]byte {
	h := sha256.New()
	var n [8]byte
	for _, p := range parts {
		binary.BigEndian.PutUint64(n[:], uint64(len(p)))
		h.Write(n[:])
		h.Write(p)
	}
	return [32]byte(h.Sum(nil))
}
