package caddymodule

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/unknownpay/merchant-gateway/controlplane"
	"github.com/unknownpay/merchant-gateway/portal/api"
)

// waitingInputs make changes of the kind that takes two, where not all are.
func waitingInputs() map[controlplane.Operation]string {
	return map[controlplane.Operation]string{
		controlplane.OpUserCreate:  `{"username": "olga", "role": "owner"}`,
		controlplane.OpUserRole:    `{"role": "owner"}`,
		controlplane.OpStaffCreate: `{"username": "pat", "role": "platform_admin"}`,
		controlplane.OpStaffRole:   `{"role": "platform_admin"}`,
	}
}

// documents202 is the routes that the document says may have to wait.
func (w *apiWorld) documents202() map[string]bool {
	w.Helper()
	var document struct {
		Paths map[string]map[string]struct {
			Responses map[string]any `json:"responses"`
		} `json:"paths"`
	}
	check(w, json.Unmarshal(w.ask(http.MethodGet, api.DocumentPath, "", "").Body.Bytes(), &document))
	out := map[string]bool{}
	for path, methods := range document.Paths {
		for method, route := range methods {
			out[strings.ToUpper(method)+" "+path] = route.Responses["202"] != nil
		}
	}
	return out
}

// TestTheDocumentSaysWhatMayHaveToWait asks for every change as one of two platform
// admins, about a merchant with a live key and a member who is a platform admin, too.
func TestTheDocumentSaysWhatMayHaveToWait(t *testing.T) {
	w := newAPIWorld(t)
	w.member("second", controlplane.RolePlatformAdmin)
	token := w.token(w.members[controlplane.RolePlatformAdmin], true).Secret.Reveal()
	documented := w.documents202()
	for _, r := range api.Routes() {
		w.spare = nil
		site := w.site()
		_, err := w.node.service.IssueKey(t.Context(), operator, controlplane.IssueKey{MerchantID: site["merchant_id"], Environment: controlplane.Live})
		check(t, err)
		w.prepare(r.Operation, site)
		if r.Operation == controlplane.OpStaffDisable || r.Operation == controlplane.OpStaffEnable {
			_, err := w.node.service.SetStaffRole(t.Context(), operator, controlplane.SetStaffRole{StaffID: site["staff_id"], Role: controlplane.RolePlatformAdmin})
			check(t, err)
		}
		target, body := w.address(r, controlplane.RolePlatformAdmin, site)
		if other := waitingInputs()[r.Operation]; other != "" {
			body = other
		}
		rec := w.ask(r.Method, target, token, body)
		waits := rec.Code == http.StatusAccepted
		if waits != documented[r.Method+" "+r.Path] {
			t.Errorf("%s %s: HTTP %d, and the document says of 202: %t\n%s", r.Method, r.Path, rec.Code, !waits, rec.Body)
		}
		if !waits {
			continue
		}
		id := w.problem(rec).ApprovalID
		if at := rec.Header().Get("Location"); at != api.Prefix+"/approvals/"+id || w.ask(http.MethodGet, at, token, "").Code != http.StatusOK {
			t.Errorf("%s waits at %q", r.Operation, at)
		}
		w.change(func(ctx context.Context, tx controlplane.Tx) error { // out of the way of the next
			q, err := tx.Approval(ctx, id)
			q.State, q.DecidedAt, q.DecidedBy = controlplane.ApprovalRejected, time.Now(), "the test"
			return errors.Join(err, tx.UpdateApproval(ctx, q))
		})
	}
}

func TestWrongLinesOfAListAreNamed(t *testing.T) {
	w := newAPIWorld(t)
	token := w.token(w.members[controlplane.RolePlatformAdmin], true).Secret.Reveal()
	target := api.Prefix + "/merchants/" + w.site()["merchant_id"] + "/allowlist/import"
	rec := w.ask(http.MethodPost, target, token, `{"text": "9.9.9.9 shop\n9.9.9.8\n\n9.9.9.9 again", "note": ""}`)
	p := w.problem(rec)
	if p.Code != controlplane.CodeInvalid || len(p.Fields) != 2 || p.Fields[0].Field != "text" || p.Fields[0].Message != "line 2: note is missing: whose address is it?" {
		t.Errorf("%+v", p)
	}
	if rec = w.ask(http.MethodPost, target, token, `{"text": "9.9.9.9 shop\n9.9.9.8", "dry_run": true}`); rec.Code != http.StatusOK || !strings.Contains(rec.Body.String(), `"wrong":1`) {
		t.Errorf("HTTP %d %s", rec.Code, rec.Body)
	}
	if p := w.problem(w.ask(http.MethodPost, target, token, `{"text": "8.8.8.0/24 there"}`)); len(p.Fields) != 1 || !strings.HasPrefix(p.Fields[0].Message, "adds nothing") {
		t.Errorf("%+v", p)
	}
}
