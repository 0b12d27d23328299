package controlplane_test

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"pgregory.net/rapid"

	. "github.com/unknownpay/merchant-gateway/controlplane"
)

func TestEventIsWrittenWithOneDeliveryForEachSubscribedEndpoint(t *testing.T) {
	w := newWorld(t)
	d := w.webhooks()
	d.room = 1
	m := w.merchant("Shop").ID
	all, deposits, withdrawals, off := w.endpoint(m), w.endpoint(m, EventDepositSuccess), w.endpoint(m, EventWithdrawalFailed), w.endpoint(m)
	ok(w.DisableEndpoint(t.Context(), local(), DisableEndpoint{MerchantID: m, EndpointID: off.Endpoint.ID}))(t)
	d.woken = nil
	got := w.ingest(m, "k1")
	states := map[string]DeliveryState{}
	for _, d := range w.deliveries(DeliveryFilter{MerchantID: m, EventID: got.ID}) {
		states[d.EndpointID] = d.State
	}
	want := map[string]DeliveryState{all.Endpoint.ID: DeliveryInflight, deposits.Endpoint.ID: DeliveryPending, off.Endpoint.ID: DeliveryHeld}
	if fmt.Sprint(states) != fmt.Sprint(want) {
		t.Errorf("%v, want %v (none for %s)", states, want, withdrawals.Endpoint.ID)
	}
	if len(d.claims) != 1 || d.claims[0].EventID != got.ID || d.claims[0].Row == 0 || d.claims[0].Lease != 1 || !slices.Equal(d.woken, []int64{deposits.Endpoint.Row}) {
		t.Errorf("claims %+v, woken %v", d.claims, d.woken)
	}
	detail := ok(w.Delivery(t.Context(), local(), DeliveryRef{MerchantID: m, DeliveryID: d.claims[0].DeliveryID}))(t)
	const body = `{"type":"deposit.success","timestamp":"2026-03-01T12:00:00.000000Z","environment":"live","data":{"id":"dep_1","amount":"10.00"}}`
	if string(detail.Event.Body) != body || string(d.claims[0].Body) != body {
		t.Errorf("the body is %s", detail.Event.Body)
	}
	if n := w.auditRows(); n != w.auditRows() || w.lastAudit().Operation == OpEventIngest {
		t.Error("an event is in the audit trail")
	}
}

func TestIdempotencyKeyAnswersTheSameEventOrAConflict(t *testing.T) {
	w := newWorld(t)
	d := w.webhooks()
	m, other := w.merchant("Shop").ID, w.merchant("Other").ID
	w.endpoint(m)
	first := w.ingest(m, "order-1")
	d.woken = nil
	again := event(m, "order-1")
	again.Data = json.RawMessage("{\"id\":\"dep_1\",\n \"amount\":\"10.00\"}") // spaces are no content
	if got := ok(w.IngestEvent(t.Context(), backend(), again))(t); got.ID != first.ID || !got.Duplicate || first.Duplicate || len(d.woken) != 0 {
		t.Errorf("%+v after %+v", got, first)
	}
	for name, edit := range map[string]func(*IngestEvent){
		"data":        func(e *IngestEvent) { e.Data = json.RawMessage(`{"id":"dep_2"}`) },
		"type":        func(e *IngestEvent) { e.Type = EventDepositExpired },
		"environment": func(e *IngestEvent) { e.Environment = Test },
		"merchant":    func(e *IngestEvent) { e.MerchantID = other },
	} {
		e := event(m, "order-1")
		edit(&e)
		_, err := w.IngestEvent(t.Context(), backend(), e)
		if c := wants(t, err, CodeConflict); !strings.Contains(c.Message, first.ID) {
			t.Errorf("%s: %v", name, c)
		}
	}
	if n := len(w.deliveries(DeliveryFilter{MerchantID: m})); n != 1 {
		t.Errorf("%d deliveries", n)
	}
}

func TestRacingCopiesOfAnEventMakeOne(t *testing.T) {
	w := newWorld(t)
	m := w.merchant("Shop").ID
	w.endpoint(m)
	const copies = 64
	ids, fresh := make([]string, copies), make([]bool, copies)
	var wg sync.WaitGroup
	for i := range copies {
		wg.Go(func() {
			got, err := w.IngestEvent(t.Context(), backend(), event(m, "the-one"))
			if err != nil {
				t.Error(err)
			}
			ids[i], fresh[i] = got.ID, !got.Duplicate
		})
	}
	wg.Wait()
	made := 0
	for i := range copies {
		if ids[i] != ids[0] {
			t.Fatalf("two events: %s and %s", ids[0], ids[i])
		}
		if fresh[i] {
			made++
		}
	}
	if n := len(w.deliveries(DeliveryFilter{MerchantID: m})); made != 1 || n != 1 {
		t.Errorf("made %d times, with %d deliveries", made, n)
	}
}

func TestBatchIsTakenInWholeOrNotAtAll(t *testing.T) {
	w := newWorld(t)
	d := w.webhooks()
	d.room = 100
	m := w.merchant("Shop").ID
	w.endpoint(m)
	batch := make([]IngestEvent, 10)
	for i := range batch {
		batch[i] = event(m, fmt.Sprintf("k%d", i))
	}
	batch[9].IdempotencyKey = "k0" // the same event twice in one batch
	got := ok(w.IngestEvents(t.Context(), backend(), batch))(t)
	if len(got) != 10 || got[9].ID != got[0].ID || !got[9].Duplicate || len(d.claims) != 9 || d.room != 91 {
		t.Errorf("%+v; %d claims, room for %d", got, len(d.claims), d.room)
	}
	for name, spoil := range map[string]func([]IngestEvent) Code{
		"a conflict": func(b []IngestEvent) Code {
			b[3].IdempotencyKey = "k1"
			b[3].Type = EventDepositExpired
			return CodeConflict
		},
		"an unknown merchant": func(b []IngestEvent) Code { b[3].MerchantID = "mer_00000000000000000000000000"; return CodeInvalid },
		"an unknown type":     func(b []IngestEvent) Code { b[3].Type = "deposit.maybe"; return CodeInvalid },
	} {
		batch := make([]IngestEvent, 5)
		for i := range batch {
			batch[i] = event(m, rand.Text())
		}
		code := spoil(batch)
		_, err := w.IngestEvents(t.Context(), backend(), batch)
		if e := wants(t, err, code); !strings.Contains(e.Error(), "events[3].") {
			t.Errorf("%s: %v does not say which", name, e)
		}
		if n := len(w.deliveries(DeliveryFilter{MerchantID: m})); n != 9 || d.room != 91 || len(d.claims) != 9 {
			t.Errorf("%s: %d deliveries, %d claims, room for %d", name, n, len(d.claims), d.room)
		}
	}
	for _, n := range []int{0, MaxEventBatch + 1} {
		_, err := w.IngestEvents(t.Context(), backend(), make([]IngestEvent, n))
		wants(t, err, CodeInvalid)
	}
}

func TestEveryFaultOfAnEventIsNamed(t *testing.T) {
	w := newWorld(t)
	m := w.merchant("Shop").ID
	huge := `{"x":"` + strings.Repeat("a", MaxEventData) + `"}`
	for name, c := range map[string]struct {
		edit  func(*IngestEvent)
		field string
		text  string
	}{
		"no merchant":      {func(e *IngestEvent) { e.MerchantID = "" }, "merchant_id", "mer_"},
		"unknown merchant": {func(e *IngestEvent) { e.MerchantID = "mer_00000000000000000000000000" }, "merchant_id", "no merchant"},
		"no environment":   {func(e *IngestEvent) { e.Environment = "prod" }, "environment", "live or test"},
		"unknown type":     {func(e *IngestEvent) { e.Type = "x" }, "type", "deposit.success"},
		"the test type":    {func(e *IngestEvent) { e.Type = EventWebhookTest }, "type", "must be one of"},
		"no data":          {func(e *IngestEvent) { e.Data = nil }, "data", "JSON"},
		"data no JSON":     {func(e *IngestEvent) { e.Data = json.RawMessage(`{"a":`) }, "data", "not JSON"},
		"two values":       {func(e *IngestEvent) { e.Data = json.RawMessage(`{} {}`) }, "data", "not JSON"},
		"data no object":   {func(e *IngestEvent) { e.Data = json.RawMessage(`[1]`) }, "data", "object"},
		"data no UTF-8":    {func(e *IngestEvent) { e.Data = json.RawMessage("{\"a\":\"\xff\"}") }, "data", "UTF-8"},
		"data too large":   {func(e *IngestEvent) { e.Data = json.RawMessage(huge) }, "data", "262144"},
		"no key":           {func(e *IngestEvent) { e.IdempotencyKey = "" }, "idempotency_key", "1 to 255"},
		"key too long":     {func(e *IngestEvent) { e.IdempotencyKey = strings.Repeat("k", 256) }, "idempotency_key", "1 to 255"},
		"key with spaces":  {func(e *IngestEvent) { e.IdempotencyKey = "a b" }, "idempotency_key", "printable"},
	} {
		e := event(m, rand.Text())
		c.edit(&e)
		_, err := w.IngestEvent(t.Context(), backend(), e)
		bad := wants(t, err, CodeInvalid)
		if len(bad.Fields) != 1 || bad.Fields[0].Field != c.field || !strings.Contains(bad.Fields[0].Message, c.text) {
			t.Errorf("%s: %+v", name, bad)
		}
	}
	_, err := w.IngestEvent(t.Context(), backend(), IngestEvent{})
	if bad := wants(t, err, CodeInvalid); len(bad.Fields) != 5 {
		t.Errorf("an empty event: %+v", bad.Fields)
	}
}

// The body is one JSON object whose data is the value that came in, whatever that
// holds.
func TestBodyCarriesTheDataUnchanged(t *testing.T) {
	w := newWorld(t)
	m := w.merchant("Shop").ID
	w.endpoint(m)
	rapid.Check(t, func(t *rapid.T) {
		data := rapid.MapOf(rapid.String(), rapid.OneOf(rapid.String().AsAny(), rapid.Float64().AsAny(), rapid.Bool().AsAny())).Draw(t, "data")
		raw, err := json.MarshalIndent(data, " ", "\t")
		if err != nil {
			t.Fatal(err)
		}
		e := event(m, rand.Text())
		e.Data = raw
		got, err := w.IngestEvent(w.Context(), backend(), e)
		if err != nil {
			t.Fatal(err)
		}
		d := w.deliveries(DeliveryFilter{MerchantID: m, EventID: got.ID})[0]
		detail := ok(w.Delivery(w.Context(), local(), DeliveryRef{MerchantID: m, DeliveryID: d.ID}))(w)
		var body struct{ Data map[string]any }
		if err := json.Unmarshal(detail.Event.Body, &body); err != nil {
			t.Fatal(err)
		}
		if fmt.Sprint(body.Data) != fmt.Sprint(data) {
			t.Fatalf("%v became %v", data, body.Data)
		}
	})
}

func TestIngestIsForServiceTokensAndTheOperator(t *testing.T) {
	w := newWorld(t)
	m := w.merchant("Shop").ID
	_, err := w.IngestEvent(t.Context(), w.user(m, "owner", RoleOwner), event(m, "k"))
	if c := CodeOf(err); c != CodeDenied {
		t.Errorf("an owner: %v", err)
	}
	_, err = w.CreateMerchant(t.Context(), backend(), CreateMerchant{Name: "Mine"})
	wants(t, err, CodeDenied)
}

func TestServiceTokenWorksUntilItIsRevoked(t *testing.T) {
	w := newWorld(t)
	issued := ok(w.IssueServiceToken(t.Context(), local(), IssueServiceToken{Name: "ledger"}))(t)
	text := issued.Secret.Reveal()
	a := ok(w.AuthenticateServiceToken(t.Context(), issued.Secret))(t)
	if a.ID != issued.Token.ID || a.Role != RoleService || a.Name != "ledger" || a.Sudo {
		t.Errorf("%+v", a)
	}
	w.ingest(w.merchant("Shop").ID, "k")
	if strings.Contains(w.onDisk(), text) {
		t.Error("the token is in the database")
	}
	used := ok(w.ListServiceTokens(t.Context(), local()))(t)[0]
	if !used.LastUsedAt.Equal(w.clock.Now()) {
		t.Errorf("last used %v", used.LastUsedAt)
	}
	for _, bad := range []string{"", text[:len(text)-1], text + "x", strings.Replace(text, "svc", "SVC", 1), "unks_svc_" + strings.Repeat("A", 38)} {
		_, err := w.AuthenticateServiceToken(t.Context(), NewSecret(bad))
		wants(t, err, CodeDenied)
	}
	ok(w.RevokeServiceToken(t.Context(), local(), issued.Token.ID))(t)
	_, err := w.AuthenticateServiceToken(t.Context(), issued.Secret)
	revoked := wants(t, err, CodeDenied)
	other := ok(w.IssueServiceToken(t.Context(), local(), IssueServiceToken{Name: "other"}))(t).Secret.Reveal()
	_, err = w.AuthenticateServiceToken(t.Context(), NewSecret(text))
	if never := wants(t, err, CodeDenied); never.Error() != revoked.Error() || other == text {
		t.Errorf("%q and %q differ", never, revoked)
	}
	_, err = w.RevokeServiceToken(t.Context(), local(), issued.Token.ID)
	wants(t, err, CodeConflict)
	_, err = w.RevokeServiceToken(t.Context(), local(), text)
	if e := wants(t, err, CodeNotFound); strings.Contains(e.Error(), text) {
		t.Error("a token that was pasted as an id is repeated")
	}
}
