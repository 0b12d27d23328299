package cluster

import (
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/unknownpay/merchant-gateway/controlplane/signature"
)

// merchant is a merchant with one key and what signs with it.
type merchant struct {
	id, keyID string
	signer    *signature.Signer
}

// merchant makes one that may call from this machine.
func (n *node) merchant() (m merchant) {
	n.t.Helper()
	var created struct{ Merchant struct{ ID string } }
	n.call("merchant.create", fields{"name": "Blue Bottle Books"}, &created)
	m.id = created.Merchant.ID
	n.call("allowlist.add", fields{"merchant_id": m.id, "cidr": "127.0.0.1", "note": "test"}, new(any))
	var issued struct {
		Key    struct{ ID string }
		Secret string
	}
	n.call("key.issue", fields{"merchant_id": m.id, "environment": "test"}, &issued)
	m.keyID = issued.Key.ID
	var err error
	m.signer, err = signature.NewSigner(m.keyID, issued.Secret)
	check(n.t, err)
	return m
}

// revoke ends the merchant's key.
func (n *node) revoke(m merchant) {
	n.t.Helper()
	n.call("key.retire", fields{"merchant_id": m.id, "key_id": m.keyID, "after": "0"}, new(any))
}

// nonce and time of a request, which its copies have too.
type moment struct {
	at    time.Time
	nonce string
}

func newMoment(t testing.TB) moment {
	t.Helper()
	nonce, err := signature.NewNonce(rand.Reader)
	check(t, err)
	return moment{time.Now(), nonce}
}

// signed is a request to a node. All nodes have one name, as behind a load balancer, so
// that what is signed for one is signed for all.
func (n *node) signed(m merchant, w moment) *http.Request {
	n.t.Helper()
	const body = `{"amount":"100"}`
	r, err := http.NewRequest(http.MethodPost, "http://"+n.addr+"/v1/payments", strings.NewReader(body))
	check(n.t, err)
	r.Host = "api.example"
	check(n.t, m.signer.Sign(r, sha256.Sum256([]byte(body)), w.at, w.nonce))
	return r
}

// ask sends a new request of a merchant.
func (n *node) ask(m merchant) answer {
	n.t.Helper()
	a, err := send(n.client, n.signed(m, newMoment(n.t)))
	if err != nil {
		return answer{body: err.Error()}
	}
	return a
}

func (n *node) passes(m merchant) bool {
	n.t.Helper()
	return n.ask(m).status == http.StatusOK
}

// awaitPass waits until a node decides by what made the merchant.
func awaitPass(t *testing.T, m merchant, nodes ...*node) {
	t.Helper()
	for _, n := range nodes {
		eventually(t, "a request passes at "+n.name, func() bool { return n.passes(m) })
	}
}

// awaitRefused waits until a node refuses the merchant's key.
func awaitRefused(t *testing.T, m merchant, nodes ...*node) {
	t.Helper()
	for _, n := range nodes {
		eventually(t, "the key is refused at "+n.name, func() bool { return n.ask(m).has(http.StatusUnauthorized, "KEY_INVALID") })
	}
}

// serviceToken is what a backend hands events in with.
func (n *node) serviceToken() string {
	n.t.Helper()
	var issued struct{ Secret string }
	n.call("service_token.issue", fields{"name": "payments"}, &issued)
	return issued.Secret
}

// endpoint is where the merchant's events go.
func (n *node) endpoint(m merchant, url string) {
	n.t.Helper()
	n.call("endpoint.create", fields{"merchant_id": m.id, "environment": "test", "url": url}, new(any))
}

// event is a request with an event that says its number.
func (n *node) event(token string, m merchant, number int) *http.Request {
	n.t.Helper()
	body := fmt.Sprintf(`{"merchant_id":%q,"environment":"test","type":"deposit.success","data":{"number":%d}}`, m.id, number)
	r, err := http.NewRequest(http.MethodPost, "http://"+n.addr+"/v1/events", strings.NewReader(body))
	check(n.t, err)
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Authorization", "Bearer "+token)
	r.Header.Set("Idempotency-Key", fmt.Sprintf("event-%d", number))
	return r
}
