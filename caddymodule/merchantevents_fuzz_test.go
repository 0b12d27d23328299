package caddymodule

import (
	"encoding/json"
	"errors"
	"testing"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

func FuzzDecodeSubmission(f *testing.F) {
	for _, body := range []string{
		`{"merchant_id":"mer_x","environment":"test","type":"deposit.success","data":{"id":1}}`,
		`{"events":[{"merchant_id":"mer_x","environment":"test","type":"deposit.success","data":{},"idempotency_key":"a"}]}`,
		`{"events":[],"data":1}`, `{"events":{}}`, `{"data":{},"data":{}}`, `{"DATA":{}}`, `{"a":{"b":[`, `[]`, `{}`, ``, `{"events":[[[1]]]}{`, "{\"\x00\":1}", `{"data":"\ud800"}`,
	} {
		f.Add([]byte(body), "key", true)
		f.Add([]byte(body), "", false)
	}
	f.Fuzz(func(t *testing.T, body []byte, key string, given bool) {
		var keys []string
		if given {
			keys = []string{key}
		}
		s, err := decodeSubmission(body, keys)
		if err != nil {
			if e := asIntakeError(err); e.status != 400 && e.status != 413 {
				t.Fatalf("status %d for %q", e.status, body)
			}
			return
		}
		// What is taken is what any JSON reader would take.
		if !json.Valid(body) {
			t.Fatalf("%q was taken, and is not JSON", body)
		}
		if s.batch == given || len(s.events) > controlplane.MaxEventBatch || !s.batch && len(s.events) != 1 {
			t.Fatalf("%d events (batch: %v) from %q", len(s.events), s.batch, body)
		}
		for _, e := range s.events {
			if len(e.Data) > controlplane.MaxEventData || e.Data != nil && !json.Valid(e.Data) {
				t.Fatalf("data %q from %q", e.Data, body)
			}
			if !s.batch && (e.IdempotencyKey != key || key == "") {
				t.Fatalf("key %q, want %q", e.IdempotencyKey, key)
			}
		}
		wantAsUnmarshalled(t, s, body)
	})
}

// wantAsUnmarshalled holds a submission against what encoding/json reads.
func wantAsUnmarshalled(t *testing.T, s submission, body []byte) {
	t.Helper()
	var plain struct {
		controlplane.IngestEvent
		Events []controlplane.IngestEvent `json:"events"`
	}
	if err := json.Unmarshal(body, &plain); err != nil {
		if errors.As(err, new(*json.SyntaxError)) {
			t.Fatal(err)
		}
		return
	}
	if !s.batch {
		plain.Events = []controlplane.IngestEvent{plain.IngestEvent}
	}
	if len(plain.Events) != len(s.events) {
		t.Fatalf("%d events, want %d", len(s.events), len(plain.Events))
	}
	for i, want := range plain.Events {
		if got := s.events[i]; got.MerchantID != want.MerchantID || got.Environment != want.Environment || got.Type != want.Type || string(got.Data) != string(want.Data) {
			t.Fatalf("%+v, want %+v", got, want)
		}
	}
}
