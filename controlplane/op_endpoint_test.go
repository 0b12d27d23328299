package controlplane_test

import (
	"encoding/base64"
	"fmt"
	"strings"
	"testing"
	"time"

	. "github.com/unknownpay/merchant-gateway/controlplane"
)

func TestSigningSecretIsShownOnceAndSealed(t *testing.T) {
	w := newWorld(t)
	m := w.merchant("Shop").ID
	e := w.endpoint(m)
	text := e.Secret.Reveal()
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(text, "whsec_"))
	if err != nil || len(key) != 32 || !strings.HasPrefix(text, "whsec_") {
		t.Fatalf("the secret is %q", text)
	}
	view := ok(w.Endpoint(t.Context(), local(), EndpointRef{MerchantID: m, EndpointID: e.Endpoint.ID}))(t)
	if all := fmt.Sprintf("%+v %#v", view, view); strings.Contains(all, text) || len(view.Secrets) != 1 {
		t.Errorf("the view: %s", all)
	}
	if disk := w.onDisk(); strings.Contains(disk, text) || strings.Contains(disk, string(key)) {
		t.Error("the secret is in the database")
	}
	if a := w.lastAudit(); a.Operation != OpEndpointCreate || strings.Contains(string(a.Diff), "whsec_") {
		t.Errorf("audit: %s", a.Diff)
	}
}

func TestRotationKeepsItsOverlapAndAtMostTwoSecrets(t *testing.T) {
	w := newWorld(t)
	m := w.merchant("Shop").ID
	e := w.endpoint(m).Endpoint
	signing := func() (n int) {
		return len(ok(w.Endpoint(t.Context(), local(), EndpointRef{MerchantID: m, EndpointID: e.ID}))(t).Secrets)
	}
	rotate := func(o Overlap) (RotatedSecret, error) {
		return w.RotateEndpointSecret(t.Context(), local(), RotateEndpointSecret{MerchantID: m, EndpointID: e.ID, Overlap: o})
	}
	first := ok(rotate(OverlapDay))(t)
	if n := signing(); n != 2 || !first.OldUntil.Equal(w.clock.Now().Add(24*time.Hour)) {
		t.Errorf("%d secrets until %v", n, first.OldUntil)
	}
	_, err := rotate(OverlapHour)
	wants(t, err, CodeConflict)
	w.clock.pass(25 * time.Hour)
	if n := signing(); n != 1 {
		t.Errorf("%d secrets after the overlap", n)
	}
	ok(rotate(OverlapHour))(t)
	if n := signing(); n != 2 {
		t.Errorf("%d secrets", n)
	}
	last := ok(rotate(OverlapNone))(t)
	if n := signing(); n != 1 || !last.OldUntil.IsZero() {
		t.Errorf("%d secrets after a rotation without overlap", n)
	}
	_, err = rotate(Overlap(time.Minute))
	wants(t, err, CodeInvalid)
}

func TestURLOfAnEndpointIsChecked(t *testing.T) {
	w := newWorld(t)
	w.webhooks()
	m := w.merchant("Shop").ID
	e := w.endpoint(m).Endpoint
	for name, url := range map[string]string{
		"empty": "", "no URL": "://", "relative": "/hook", "http": "http://shop.example.com/", "no host": "https:///hook", "only a port": "https://:443/",
		"user": "https://a:b@shop.example.com/", "name only": "https://a@shop.example.com/", "fragment": "https://shop.example.com/#x", "empty fragment": "https://shop.example.com/#",
		"space": "https://shop.example.com/a b", "control": "https://shop.example.com/\n", "too long": "https://shop.example.com/" + strings.Repeat("a", 2048),
		"refused by the guard": "https://169.254.169.254/",
	} {
		for how, try := range map[string]func() error{
			"create": func() error {
				return justErr(w.CreateEndpoint(t.Context(), local(), CreateEndpoint{MerchantID: m, Environment: Live, URL: url}))
			},
			"update": func() error {
				return justErr(w.UpdateEndpoint(t.Context(), local(), UpdateEndpoint{MerchantID: m, EndpointID: e.ID, URL: url}))
			},
		} {
			if bad := wants(t, try(), CodeInvalid); bad.Fields[0].Field != "url" {
				t.Errorf("%s %s: %+v", how, name, bad)
			}
		}
	}
	w.rebuild(func(p *Parts) { p.CheckURL = nil })
	_, err := w.CreateEndpoint(t.Context(), local(), CreateEndpoint{MerchantID: m, Environment: Live, URL: w.freshURL()})
	wants(t, err, CodeUnavailable)
}

func TestEndpointsAreLimitedAndEachURLThereOnce(t *testing.T) {
	w := newWorld(t)
	m := w.merchant("Shop").ID
	first := w.endpoint(m).Endpoint
	again := CreateEndpoint{MerchantID: m, Environment: Live, URL: first.URL}
	_, err := w.CreateEndpoint(t.Context(), local(), again)
	wants(t, err, CodeConflict)
	again.Environment = Test
	ok(w.CreateEndpoint(t.Context(), local(), again))(t)
	for range MaxEndpoints - 1 {
		w.endpoint(m)
	}
	_, err = w.CreateEndpoint(t.Context(), local(), CreateEndpoint{MerchantID: m, Environment: Live, URL: w.freshURL()})
	wants(t, err, CodeLimit)
	ok(w.DeleteEndpoint(t.Context(), local(), EndpointRef{MerchantID: m, EndpointID: first.ID}))(t)
	w.endpoint(m)
	_, err = w.CreateEndpoint(t.Context(), local(), CreateEndpoint{MerchantID: m, Environment: Test, URL: w.freshURL(), Events: []EventType{"x"}})
	wants(t, err, CodeInvalid)
	_, err = w.CreateEndpoint(t.Context(), local(), CreateEndpoint{MerchantID: m, Environment: Test, URL: w.freshURL(), Events: []EventType{EventWebhookTest}})
	wants(t, err, CodeInvalid)
}

func TestOnlyTheEngineGivesAReasonForDisabling(t *testing.T) {
	w := newWorld(t)
	m := w.merchant("Shop").ID
	for actor, want := range map[*Actor]DisabledReason{ptr(w.user(m, "owner", RoleOwner)): DisabledByHand, ptr(DeliveryActor()): DisabledGone} {
		e := w.endpoint(m).Endpoint
		in := DisableEndpoint{MerchantID: m, EndpointID: e.ID, Reason: DisabledGone}
		if got := ok(w.DisableEndpoint(t.Context(), *actor, in))(t); got.DisabledReason != want {
			t.Errorf("%s: %s", actor.Name, got.DisabledReason)
		}
		_, err := w.DisableEndpoint(t.Context(), *actor, in)
		wants(t, err, CodeConflict)
		ok(w.EnableEndpoint(t.Context(), local(), EndpointRef{MerchantID: m, EndpointID: e.ID}))(t)
		_, err = w.EnableEndpoint(t.Context(), local(), EndpointRef{MerchantID: m, EndpointID: e.ID})
		wants(t, err, CodeConflict)
	}
}

func ptr[T any](v T) *T { return &v }

func TestConditionIsDeadOnlyWhenAllFourHold(t *testing.T) {
	start := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	for name, c := range map[string]struct {
		failures int
		every    time.Duration
		events   int
		good     time.Duration // the last success before the failures
		want     bool
	}{
		"all":               {10, 2 * time.Hour, 3, 100 * time.Hour, false}, // 100 h + 18 h are less than five days
		"five days":         {10, 2 * time.Hour, 3, 102 * time.Hour, true},
		"nine attempts":     {9, 2 * time.Hour, 3, 200 * time.Hour, false},
		"two events":        {20, 2 * time.Hour, 2, 200 * time.Hour, false},
		"within ten hours":  {11, time.Hour, 3, 200 * time.Hour, false},
		"within twelve":     {13, time.Hour, 3, 200 * time.Hour, true},
		"a success between": {30, 10 * time.Hour, 3, 0, true},
	} {
		var condition EndpointCondition
		if c.good > 0 {
			condition.Succeeded(start.Add(-c.good))
		}
		for i := range c.failures {
			condition.Failed(fmt.Sprint("evt_", i%c.events), start.Add(time.Duration(i)*c.every))
		}
		if got := condition.Dead(start.Add(-300 * time.Hour)); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
		if condition.Dead(start.Add(time.Duration(c.failures) * c.every)) {
			t.Errorf("%s: dead although it was enabled just now", name)
		}
		condition.Succeeded(start.Add(1000 * time.Hour))
		if condition.Dead(start) {
			t.Errorf("%s: dead after a success", name)
		}
	}
}

func TestLatencyBucketsCoverWhatTheyHold(t *testing.T) {
	last := 0
	for d := 100 * time.Microsecond; d < 20*time.Second; d = d * 11 / 10 {
		b := LatencyBucket(d)
		if b < last || b < 1 || b > 56 {
			t.Fatalf("%v is in bucket %d after %d", d, b, last)
		}
		last = b
	}
}
