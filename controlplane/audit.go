package controlplane

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"strings"
	"time"
	"unicode"
)

// Outcome is how an audited operation ended.
type Outcome string

const (
	OutcomeOK     Outcome = "ok"
	OutcomeDenied Outcome = "denied"
	OutcomeFailed Outcome = "failed"
)

// AuditEvent is one row of the append-only trail. It is written in the same
// transaction as the change that it tells of; a refusal has one of its own.
type AuditEvent struct {
	// Seq counts from 1 without a gap.
	Seq        int64     `json:"seq"`
	At         time.Time `json:"at"`
	ActorKind  ActorKind `json:"actor_kind"`
	ActorID    string    `json:"actor_id"`
	ActorName  string    `json:"actor_name"`
	MerchantID string    `json:"merchant_id,omitempty"`
	Operation  Operation `json:"operation"`
	// Target is the id of what was changed.
	Target    string  `json:"target,omitempty"`
	Outcome   Outcome `json:"outcome"`
	Reason    string  `json:"reason,omitempty"`
	IP        string  `json:"ip,omitempty"`
	UserAgent string  `json:"user_agent,omitempty"`
	RequestID string  `json:"request_id,omitempty"`
	// Diff is what changed, field by field, without secrets.
	Diff json.RawMessage `json:"diff,omitempty"`
	// PrevHash is the Hash of the row before; 32 zero bytes for the first.
	PrevHash [32]byte `json:"prev_hash"`
	Hash     [32]byte `json:"hash"`
}

// Change is one field of a diff.
type Change struct {
	From any `json:"from,omitempty"`
	To   any `json:"to,omitempty"`
}

// AuditHead is the end of the trail: a trail whose last row is not this one was
// cut short.
type AuditHead struct {
	Seq  int64
	Hash [32]byte
}

// ComputeHash returns SHA-256 over the previous hash and every field but the hash
// itself, each preceded by its length, so that no text can slide from one field
// into the next.
func (e *AuditEvent) ComputeHash() [32]byte {
	h := sha256.New()
	var n [8]byte
	write := func(b []byte) {
		binary.BigEndian.PutUint64(n[:], uint64(len(b)))
		h.Write(n[:])
		h.Write(b)
	}
	number := func(v int64) {
		var b [8]byte
		binary.BigEndian.PutUint64(b[:], uint64(v))
		write(b[:])
	}
	write(e.PrevHash[:])
	number(e.Seq)
	number(e.At.UnixMicro())
	for _, s := range []string{
		string(e.ActorKind), e.ActorID, e.ActorName, e.MerchantID, string(e.Operation), e.Target,
		string(e.Outcome), e.Reason, e.IP, e.UserAgent, e.RequestID, string(e.Diff),
	} {
		write([]byte(s))
	}
	return [32]byte(h.Sum(nil))
}

// WriteAudit appends e to the end of the trail: it sets Seq and the hashes, and
// makes texts from outside fit for the trail.
func WriteAudit(ctx context.Context, tx Tx, e AuditEvent) error {
	head, err := tx.AuditHead(ctx)
	if err != nil {
		return fmt.Errorf("read the end of the audit trail: %w", err)
	}
	e.Seq, e.PrevHash = head.Seq+1, head.Hash
	for _, text := range []*string{&e.ActorID, &e.ActorName, &e.MerchantID, &e.Target, &e.IP, &e.UserAgent, &e.RequestID} {
		*text = CleanText(*text)
	}
	e.Hash = e.ComputeHash()
	if err := tx.AppendAudit(ctx, e); err != nil {
		return fmt.Errorf("append to the audit trail: %w", err)
	}
	return nil
}

// maxCleanText bounds text from outside that is kept, in bytes.
const maxCleanText = 256

// CleanText makes text from outside, such as a user agent, fit to be kept: at most
// 256 bytes, and without those for which a database refuses a row. A refused audit
// row would let a caller act unrecorded.
func CleanText(s string) string {
	if len(s) > maxCleanText {
		s = s[:maxCleanText]
	}
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return '?'
		}
		return r
	}, strings.ToValidUTF8(s, ""))
}

// AuditFilter selects audit events, newest first.
type AuditFilter struct {
	MerchantID string    `json:"merchant_id,omitempty"`
	Operation  Operation `json:"operation,omitempty"`
	Outcome    Outcome   `json:"outcome,omitempty" validate:"omitempty,oneof=ok denied failed"`
	Since      time.Time `json:"since,omitzero"`
	// Before is the Seq that ended the page before; 0 starts at the newest.
	Before int64 `json:"before,omitempty" validate:"min=0"`
	// Limit is the number of rows, 1 to 1,000; 0 means 100.
	Limit int `json:"limit,omitempty" validate:"min=0,max=1000"`
}

// AuditReport is the result of verifying the trail.
type AuditReport struct {
	Rows int64 `json:"rows"`
	// Head is the hash of the newest row. Kept elsewhere, it later proves that
	// the trail up to that row is unchanged.
	Head string `json:"head"`
	// FirstBad is the Seq of the first row that does not fit; 0: all fit.
	FirstBad int64  `json:"first_bad,omitempty"`
	Problem  string `json:"problem,omitempty"`
}
