package caddymodule

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/unknownpay/merchant-gateway/controlplane"
	"github.com/unknownpay/merchant-gateway/portal/api"
)

// apiWorld is the admin API over a database of its own.
type apiWorld struct {
	*testing.T
	node    callNode
	handler http.Handler
	members map[controlplane.Role]controlplane.Staff
	// spare is a merchant that nothing was done to yet.
	spare apiSite
	// glass: requests do not wait for a second pair of eyes.
	glass bool
	// asked counts, for each request comes from an address of its own: wrong tokens
	// are throttled by it.
	asked uint32
}

func staffRoles() []controlplane.Role {
	return []controlplane.Role{controlplane.RolePlatformAdmin, controlplane.RolePlatformOperator, controlplane.RoleAuditor}
}

func newAPIWorld(t *testing.T) *apiWorld {
	t.Helper()
	config := nodeConfig{store: &SQLiteStore{Path: filepath.Join(t.TempDir(), "merchants.db")}, rules: controlplane.Rules{AllowPrivateRanges: true}}
	n, err := openNode(t.Context(), config)
	check(t, err)
	t.Cleanup(func() { check(t, n.close()) })
	n.service, err = n.newService(config.rules, false, func(string) error { return nil })
	check(t, err)
	w := &apiWorld{T: t, node: callNode{n, config}, members: map[controlplane.Role]controlplane.Staff{}}
	w.later(0)
	for _, role := range staffRoles() {
		w.members[role] = w.member(string(role), role)
	}
	return w
}

// later makes the API look at tokens as it will after a while.
func (w *apiWorld) later(d time.Duration) {
	w.Helper()
	n := w.node
	service, err := controlplane.NewService(controlplane.Parts{
		Store: n.db, Sealer: n.ring, Hasher: n.hasher, Clock: func() time.Time { return time.Now().Add(d) }, Random: rand.Reader,
	})
	check(w, err)
	w.handler, err = api.New(api.Config{
		Calls: n.apiCalls(), Authenticate: service.AuthenticateStaffToken, Clock: time.Now, Logger: zap.NewNop(),
	})
	check(w, err)
}

// member makes a member of staff with a second factor.
func (w *apiWorld) member(username string, role controlplane.Role) controlplane.Staff {
	w.Helper()
	id, err := controlplane.NewID(controlplane.PrefixStaff, time.Now(), rand.Reader)
	check(w, err)
	m := controlplane.Staff{ID: id, Username: username, Role: role, SecurityVersion: 1, CreatedAt: time.Now(), UpdatedAt: time.Now()}
	w.change(func(ctx context.Context, tx controlplane.Tx) error { return tx.InsertStaff(ctx, m) })
	w.enrol(id, "")
	return m
}

func (w *apiWorld) enrol(id, merchantID string) {
	w.Helper()
	w.change(func(ctx context.Context, tx controlplane.Tx) error {
		seed := controlplane.TOTPSeed{ID: "tot_" + id, AccountID: id, MerchantID: merchantID, Sealed: []byte("sealed"), CreatedAt: time.Now()}
		return errors.Join(tx.PutPendingSeed(ctx, seed), tx.ConfirmSeed(ctx, id, seed.ID, 1))
	})
}

func (w *apiWorld) change(fn func(ctx context.Context, tx controlplane.Tx) error) {
	w.Helper()
	check(w, w.node.db.Update(w.Context(), func(tx controlplane.Tx) error { return fn(w.Context(), tx) }))
}

func (w *apiWorld) token(m controlplane.Staff, confirmed bool) controlplane.IssuedStaffToken {
	w.Helper()
	issued, err := w.node.service.IssueStaffToken(w.Context(), operator, controlplane.IssueStaffToken{Username: m.Username, Name: "test", Confirmed: confirmed})
	check(w, err)
	return issued
}

// ask sends one request; body is JSON, or empty.
func (w *apiWorld) ask(method, target, token, body string, edit ...func(*http.Request)) *httptest.ResponseRecorder {
	w.Helper()
	r := httptest.NewRequestWithContext(w.Context(), method, "https://console.test"+target, strings.NewReader(body))
	w.asked++
	r.RemoteAddr = fmt.Sprintf("10.%d.%d.%d:1234", byte(w.asked>>16), byte(w.asked>>8), byte(w.asked))
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	if w.glass {
		r.Header.Set(api.BreakGlassHeader, "nobody else is here")
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for _, e := range edit {
		e(r)
	}
	rec := httptest.NewRecorder()
	w.handler.ServeHTTP(rec, r)
	return rec
}

func (w *apiWorld) problem(rec *httptest.ResponseRecorder) (p api.Problem) {
	w.Helper()
	check(w, json.Unmarshal(rec.Body.Bytes(), &p))
	if rec.Header().Get("Content-Type") != "application/problem+json" || p.Status != rec.Code || p.Code == "" || p.RequestID == "" {
		w.Errorf("HTTP %d is no problem of ours: %s", rec.Code, rec.Body)
	}
	return p
}

// apiSite is a merchant with one of everything that a route can name.
type apiSite map[string]string

func (w *apiWorld) site() apiSite {
	w.Helper()
	if w.spare != nil {
		return w.spare
	}
	ctx, service := w.Context(), w.node.service
	m, err := service.CreateMerchant(ctx, operator, controlplane.CreateMerchant{Name: "Blue Bottle Books"})
	check(w, err)
	s := apiSite{"merchant_id": m.ID}
	u, err := service.CreateUser(ctx, operator, controlplane.CreateUser{MerchantID: m.ID, Username: "u" + m.ID[4:], Role: controlplane.RoleViewer})
	check(w, err)
	s["user_id"] = u.ID
	e, err := service.AddAllowlistEntry(ctx, operator, controlplane.AddAllowlistEntry{MerchantID: m.ID, CIDR: "8.8.8.0/24", Note: "office"})
	check(w, err)
	s["entry_id"] = e.ID
	wish, err := service.RequestAllowlistChange(ctx, operator, controlplane.RequestAllowlistChange{MerchantID: m.ID, Action: controlplane.AllowlistAdd, CIDR: "9.9.9.9", Reason: "new server"})
	check(w, err)
	s["request_id"] = wish.ID
	victim := w.member("v"+m.ID[4:], controlplane.RoleAuditor)
	s["staff_id"] = victim.ID
	s["approval_id"] = w.waitingChange(m.ID, "stf_other")
	w.addWebhook(s)
	w.addTraffic(s)
	w.spare = s
	return s
}

// waitingChange is a change that waits, asked for by somebody.
func (w *apiWorld) waitingChange(merchantID, byID string) string {
	w.Helper()
	id, err := controlplane.NewID(controlplane.PrefixApproval, time.Now(), rand.Reader)
	check(w, err)
	input, err := json.Marshal(controlplane.AddAllowlistEntry{MerchantID: merchantID, CIDR: "7.7.7.7", Note: id})
	check(w, err)
	w.change(func(ctx context.Context, tx controlplane.Tx) error {
		return tx.InsertApproval(ctx, controlplane.Approval{
			ID: id, MerchantID: merchantID, Operation: controlplane.OpAllowlistAdd, Input: input, State: controlplane.ApprovalPending,
			CreatedAt: time.Now(), ExpiresAt: time.Now().Add(controlplane.ApprovalLife), CreatedByID: byID, CreatedBy: "asker",
		})
	})
	return id
}

func (w *apiWorld) addWebhook(s apiSite) {
	w.Helper()
	ctx, service := w.Context(), w.node.service
	made, err := service.CreateEndpoint(ctx, operator, controlplane.CreateEndpoint{MerchantID: s["merchant_id"], Environment: controlplane.Live, URL: "https://shop.example.com/" + s["merchant_id"]})
	check(w, err)
	s["endpoint_id"] = made.Endpoint.ID
	_, err = service.IngestEvent(ctx, operator, controlplane.IngestEvent{
		MerchantID: s["merchant_id"], Environment: controlplane.Live, Type: controlplane.EventDepositSuccess, IdempotencyKey: rand.Text(), Data: json.RawMessage(`{"id": "dep_1"}`),
	})
	check(w, err)
	sent, err := service.ListDeliveries(ctx, operator, controlplane.DeliveryFilter{MerchantID: s["merchant_id"], Environment: controlplane.Live})
	check(w, err)
	s["delivery_id"] = sent[0].ID
}

func (w *apiWorld) addTraffic(s apiSite) {
	w.Helper()
	id, err := controlplane.NewID(controlplane.PrefixRequest, time.Now(), rand.Reader)
	check(w, err)
	s["logged_id"] = id
	check(w, w.node.service.RecordRequests(w.Context(), controlplane.RequestBatch{Requests: []controlplane.LoggedRequest{{
		ID: id, At: time.Now(), MerchantID: s["merchant_id"], Environment: controlplane.Live, Method: "GET", Path: "/", Outcome: "refused", Code: "IP_NOT_ALLOWED",
	}}}))
}

// address fills in the wildcards of a route, and what its operation needs beside
// them: a query, or a body.
func (w *apiWorld) address(r api.Route, role controlplane.Role, s apiSite) (target, body string) {
	w.Helper()
	if r.Operation == controlplane.OpRequestView {
		s = apiSite{"merchant_id": s["merchant_id"], "request_id": s["logged_id"]}
	}
	if r.Operation == controlplane.OpApprovalWithdraw { // only who asked may
		s = apiSite{"approval_id": w.waitingChange(s["merchant_id"], w.members[role].ID)}
	}
	target = regexp.MustCompile(`\{([a-z_]+)\}`).ReplaceAllStringFunc(r.Path, func(name string) string {
		if name == "{token_id}" {
			return w.victim(r.Operation, role)
		}
		id, known := s[strings.Trim(name, "{}")]
		if !known {
			w.Fatalf("the matrix has nothing for %s of %s %s", name, r.Method, r.Path)
		}
		return id
	})
	extra := apiInputs()[r.Operation]
	if strings.HasPrefix(extra, "?") && (r.Method == http.MethodGet || strings.Count(r.Path, "{") == 1) {
		return target + extra, ""
	}
	return target, strings.TrimPrefix(strings.ReplaceAll(extra, "NEW", strings.ToLower(rand.Text()[:12])), "?cidr=8.8.8.0/24")
}

// prepare makes what some operations undo.
func (w *apiWorld) prepare(op controlplane.Operation, s apiSite) {
	w.Helper()
	var err error
	switch op {
	case controlplane.OpMerchantResume:
		_, err = w.node.service.SuspendMerchant(w.Context(), operator, s["merchant_id"])
	case controlplane.OpUserEnable:
		_, err = w.node.service.DisableUser(w.Context(), operator, s["merchant_id"], s["user_id"])
	case controlplane.OpUserResetSecondFactor:
		w.enrol(s["user_id"], s["merchant_id"])
	case controlplane.OpStaffEnable:
		_, err = w.node.service.DisableStaff(w.Context(), operator, s["staff_id"])
	case controlplane.OpApprovalApprove, controlplane.OpApprovalReject:
		s["approval_id"] = w.waitingChange(s["merchant_id"], "stf_other")
	}
	check(w, err)
}

// victim is a token to be revoked: of a member with the role.
func (w *apiWorld) victim(op controlplane.Operation, role controlplane.Role) string {
	w.Helper()
	if op == controlplane.OpStaffTokenRevoke {
		return w.token(w.members[role], false).Token.ID
	}
	issued, err := w.node.service.IssueServiceToken(w.Context(), operator, controlplane.IssueServiceToken{Name: "ledger"})
	check(w, err)
	return issued.Token.ID
}

// apiInputs is what operations need beside what stands in the path.
func apiInputs() map[controlplane.Operation]string {
	return map[controlplane.Operation]string{
		controlplane.OpMerchantCreate:    `{"name": "Another"}`,
		controlplane.OpMerchantRename:    `{"name": "Renamed"}`,
		controlplane.OpUserCreate:        `{"username": "NEW", "role": "admin"}`,
		controlplane.OpUserRole:          `{"role": "operator"}`,
		controlplane.OpAllowlistAdd:      `{"cidr": "9.9.9.0/24", "note": "new office"}`,
		controlplane.OpAllowlistRemove:   `?cidr=8.8.8.0/24`,
		controlplane.OpAllowlistCheck:    `?ip=8.8.8.8`,
		controlplane.OpAllowlistReject:   `{"answer": "too wide"}`,
		controlplane.OpDeliveryList:      `?environment=live&limit=5`,
		controlplane.OpRequestList:       `?environment=live&since=2026-01-31T00:00:00Z`,
		controlplane.OpAllowlistNote:     `{"note": "moved"}`,
		controlplane.OpAllowlistImport:   `{"text": "9.9.7.0/24 annexe\n9.9.6.1", "note": "office"}`,
		controlplane.OpAllowlistQueue:    `?limit=5`,
		controlplane.OpApprovalList:      `?state=pending&break_glass=false`,
		controlplane.OpApprovalReject:    `{"answer": "too wide"}`,
		controlplane.OpStaffCreate:       `{"username": "NEW", "role": "auditor"}`,
		controlplane.OpStaffList:         `?limit=5`,
		controlplane.OpStaffRole:         `{"role": "platform_operator"}`,
		controlplane.OpRequestCount:      `?environment=live&span=3600&since=2026-01-31T00:00:00Z`,
		controlplane.OpServiceTokenIssue: `{"name": "ledger"}`,
	}
}
