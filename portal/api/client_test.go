package api

import (
	"encoding/json"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

// What a client takes apart, the server puts together to the same input.
func TestLocateIsTheInverseOfTheServer(t *testing.T) {
	b := newBench(t)
	rapid.Check(t, func(t *rapid.T) {
		r := rapid.SampledFrom(Routes()).Draw(t, "route")
		text := rapid.StringMatching(`[ -~é✓]{1,12}`).Filter(func(s string) bool { return s != "." && s != ".." && s != "/" })
		in := anyInput{
			Name: text.Draw(t, "name"), Limit: rapid.IntRange(0, 1000).Draw(t, "limit"), Before: rapid.Int64().Draw(t, "before"),
			All: rapid.Bool().Draw(t, "all"), Since: time.Unix(rapid.Int64Range(0, 4e9).Draw(t, "since"), 0).UTC(),
		}
		for _, name := range r.wildcards() {
			for _, f := range reflect.VisibleFields(reflect.TypeFor[anyInput]()) {
				if strings.HasPrefix(f.Tag.Get("json"), name) {
					reflect.ValueOf(&in).Elem().FieldByIndex(f.Index).SetString(text.Draw(t, name))
				}
			}
		}
		input, err := json.Marshal(in)
		if err != nil {
			t.Fatal(err)
		}
		target, known, err := Locate(r.Operation, input)
		if err != nil || !known {
			t.Fatalf("%v %v", known, err)
		}
		if rec := b.ask(target.Method, target.Path, string(target.Body)); rec.Code != http.StatusOK && rec.Code != http.StatusCreated {
			t.Fatalf("%s %s: HTTP %d %s", target.Method, target.Path, rec.Code, rec.Body)
		}
		var got anyInput
		if err := json.Unmarshal([]byte(b.last), &got); err != nil || got != in {
			t.Fatalf("%+v became %+v (%v)", in, got, err)
		}
	})
}

func TestLocateKnowsWhatIsNotThere(t *testing.T) {
	for _, tc := range []struct {
		op    controlplane.Operation
		input string
		known bool
	}{
		{controlplane.OpKeyIssue, `{"merchant_id":"mer_1"}`, false},
		{controlplane.OpMerchantSuspend, `{}`, true},
		{controlplane.OpMerchantSuspend, `{"merchant_id":""}`, true},
		{controlplane.OpMerchantSuspend, `{"merchant_id":".."}`, true},
		{controlplane.OpMerchantSuspend, `[`, false},
	} {
		if _, known, err := Locate(tc.op, []byte(tc.input)); known != tc.known || err == nil {
			t.Errorf("%s %s: %t %v", tc.op, tc.input, known, err)
		}
	}
}

// FuzzRequest holds that no target and no body upsets the server, and that what is
// let through to an operation is one JSON object.
func FuzzRequest(f *testing.F) {
	for _, s := range [][3]string{
		{"GET", "/merchants?limit=1&since=2026-01-31T15:04:05Z", ""}, {"POST", "/merchants", `{"name":"x"}`}, {"PATCH", "/merchants/a%2Fb", `{"Merchant_id":1}`},
		{"DELETE", "/merchants/%00/allowlist?cidr=%zz", ""}, {"PUT", "/merchants/x/users/y/role", "{\"a\":\"\xff\"}"}, {"GET", "/../..//x;y?", "{}{}"},
	} {
		f.Add(s[0], s[1], s[2])
	}
	b := newBench(f)
	f.Fuzz(func(t *testing.T, method, target, body string) {
		r, err := http.NewRequest(method, "https://console.test"+Prefix+target, strings.NewReader(body))
		if err != nil || strings.ContainsAny(method, " \t\r\n") {
			return
		}
		b.TB = t
		rec := b.ask("GET", DocumentPath, "", func(own *http.Request) {
			own.Method, own.URL, own.Body, own.ContentLength = r.Method, r.URL, r.Body, r.ContentLength
			own.Header.Set("Content-Type", "application/json")
		})
		if rec.Code >= 500 {
			t.Fatalf("HTTP %d %s", rec.Code, rec.Body)
		}
		if b.last != "" && (!json.Valid([]byte(b.last)) || b.last[0] != '{') {
			t.Fatalf("let through %q", b.last)
		}
	})
}
