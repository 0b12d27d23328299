package portal

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

func TestStaffSeeWhatWasRefusedAndWhatAChangeWouldBreak(t *testing.T) {
	w := newConsole(t)
	s := w.site("Shop") // allows 203.0.113.0/24, and has one refused request
	b := w.seat(w.root(), controlplane.SessionActive, true)
	href := "/merchants/" + s.merchant.ID
	reported := w.logged(s.merchant.ID, func(q *controlplane.LoggedRequest) {
		q.Environment, q.Outcome, q.StringToSign = controlplane.Live, controlplane.RequestReported, ""
	})
	b.wants(b.get(href+"/requests?env=test"), 200, href+"/requests/"+s.requestID)
	b.wants(b.get(href+"/requests/"+s.requestID), 200, "The query was left out", "UNK1-HMAC-SHA256")
	b.wants(b.get(href+"/requests?env=live&outcome=reported"), 200, reported, "Would have been refused")
	b.wants(b.get(href+"/requests?ip=shop"), 422, "Write an IP address")

	unknown := w.logged("", func(q *controlplane.LoggedRequest) {
		q.Environment, q.KeyID, q.Code, q.Why = "", "", "KEY_INVALID", controlplane.RequestWhy{}
	})
	b.wants(b.get("/requests"), 200, unknown)
	b.wants(b.get("/requests/"+unknown), 200, "not one that the gateway knows", "None that is known")
	for _, foreign := range []string{"/requests/" + s.requestID, href + "/requests/" + unknown, href + "/requests/req_none"} {
		b.wants(b.get(foreign), 404)
	}

	simulator := href + "/allowlist/simulate"
	b.wants(b.get(simulator), 200, "203.0.113.0/24")
	w.must(w.service.RecordRequests(t.Context(), controlplane.RequestBatch{Addresses: []controlplane.RequestAddress{{
		MerchantID: s.merchant.ID, Environment: controlplane.Live, Hour: controlplane.SpanHour.Of(w.clock.Now().Add(-time.Hour)),
		IP: netip.MustParseAddr("203.0.113.77"), Count: 41,
	}}}))
	entries, err := w.service.ListAllowlist(t.Context(), controlplane.LocalActor("root"), s.merchant.ID)
	w.must(err)
	b.wants(b.get(simulator+"?remove="+entries[0].ID), 200, "would have been refused: 41", "203.0.113.77")
	b.wants(b.get(simulator+"?remove="+entries[0].ID+"&cidr=203.0.113.64/26"), 200, "No accepted request")
	b.wants(b.get(simulator+"?cidr=203.0.113.1/24"), 422, "203.0.113.0/24")
	b.wants(b.get(href+"/allowlist/"+entries[0].ID+"/remove"), 200, "would have been refused: 41")
}

// Auditors look on: they see why, and not what was signed.
func TestAuditorsSeeNoStringToSign(t *testing.T) {
	w := newConsole(t)
	s := w.site("Shop")
	q, err := w.service.Request(t.Context(), controlplane.Actor{Kind: controlplane.ActorStaff, ID: "stf_1", Role: controlplane.RoleAuditor},
		controlplane.RequestRef{MerchantID: s.merchant.ID, RequestID: s.requestID})
	w.must(err)
	if strings.Contains(q.StringToSign, "UNK1") {
		t.Error("an auditor sees the string to sign")
	}
}
