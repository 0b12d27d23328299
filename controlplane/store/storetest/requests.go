package storetest

import (
	"context"
	"fmt"
	"net/netip"
	"time"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

// logged is the nth request of the fixtures.
func logged(merchantID string, n int) controlplane.LoggedRequest {
	return controlplane.LoggedRequest{
		ID: ID(controlplane.PrefixRequest, n), At: At(n), MerchantID: merchantID, Environment: controlplane.Test, KeyID: "unk_test_1",
		ClientIP: netip.MustParseAddr("203.0.113.9"), Method: "POST", Path: fmt.Sprintf("/v1/payments/%d", n),
		Outcome: controlplane.RequestRefused, Code: "SIGNATURE_MISMATCH",
		Why:          controlplane.RequestWhy{Cause: "query_left_out", Signed: true, Difference: -3, Missing: []string{"@query"}, BodyBytes: 17},
		StringToSign: "UNK1-HMAC-SHA256\n1",
	}
}

func logAll(k *kit, all ...controlplane.LoggedRequest) {
	k.Helper()
	k.must(func(ctx context.Context, tx controlplane.Tx) error {
		for _, r := range all {
			if err := tx.InsertRequest(ctx, r); err != nil {
				return err
			}
		}
		return nil
	})
}

// found are the numbers of the requests that a filter selects.
func found(k *kit, f controlplane.RequestFilter) string {
	k.Helper()
	all := read(k, func(ctx context.Context, tx controlplane.Tx) ([]controlplane.LoggedRequest, error) {
		return tx.Requests(ctx, f)
	})
	text := ""
	for _, r := range all {
		if r.StringToSign != "" {
			k.Error("a listing has a string to sign")
		}
		text += r.Path[len("/v1/payments/"):] + " "
	}
	return text
}

func requestContract() []contract {
	mine, other := Merchant(1).ID, Merchant(2).ID
	ofMine := controlplane.RequestFilter{MerchantID: mine, Environment: controlplane.Test}
	return []contract{
		{"a request is found as it was logged, by its merchant only", func(k *kit) {
			want := logged(mine, 1)
			unknown := logged("", 2)
			unknown.Environment, unknown.KeyID = "", ""
			logAll(k, want, unknown)
			got := read(k, func(ctx context.Context, tx controlplane.Tx) (controlplane.LoggedRequest, error) {
				return tx.Request(ctx, mine, want.ID)
			})
			want.Row = got.Row
			same(k, got, want)
			for _, whose := range []string{other, ""} {
				missing(k, func(ctx context.Context, tx controlplane.Tx) (controlplane.LoggedRequest, error) {
					return tx.Request(ctx, whose, want.ID)
				})
			}
			nobodys := read(k, func(ctx context.Context, tx controlplane.Tx) ([]controlplane.LoggedRequest, error) {
				return tx.UnknownRequests(ctx, "", 10)
			})
			same(k, len(nobodys), 1)
			same(k, nobodys[0].ID, unknown.ID)
		}},
		{"requests are listed newest first, a page at a time", func(k *kit) {
			// 4 and 5 are of one moment, and 1 was written last.
			five := logged(mine, 5)
			five.At = At(4)
			logAll(k, logged(mine, 2), logged(other, 3), logged(mine, 4), five, logged(mine, 1))
			same(k, found(k, ofMine), "5 4 2 1 ")
			next := ofMine
			next.Limit, next.Before = 2, five.ID
			same(k, found(k, next), "4 2 ")
			next.Before = logged(other, 3).ID
			missing(k, func(ctx context.Context, tx controlplane.Tx) ([]controlplane.LoggedRequest, error) {
				return tx.Requests(ctx, next)
			})
		}},
		{"requests are filtered", func(k *kit) { filteredRequests(k, mine, ofMine) }},
		{"old requests go, accepted ones first, and the oldest of too many", func(k *kit) { oldRequests(k, mine, ofMine) }},
		{"counts add up and are kept apart", func(k *kit) { requestCounts(k, mine, other) }},
		{"addresses add up, and are told apart up to a number", func(k *kit) { requestAddresses(k, mine, other) }},
	}
}

func requestCounts(k *kit, mine, other string) {
	count := func(merchantID string, at int, code string, n int64) controlplane.RequestCount {
		return controlplane.RequestCount{
			MerchantID: merchantID, Environment: controlplane.Live, Span: controlplane.SpanMinute, At: At(at),
			Outcome: controlplane.RequestRefused, Code: code, Count: n, Unlisted: n - 1,
		}
	}
	hourly := count(mine, 1, "A", 7)
	hourly.Span = controlplane.SpanHour
	k.must(func(ctx context.Context, tx controlplane.Tx) error {
		for _, c := range []controlplane.RequestCount{
			count(mine, 2, "A", 2), count(mine, 1, "A", 1), count(mine, 1, "A", 4), count(mine, 1, "B", 5), count(other, 1, "A", 9), hourly,
		} {
			if err := tx.AddRequestCount(ctx, c); err != nil {
				return err
			}
		}
		return nil
	})
	since := func(at int) []controlplane.RequestCount {
		f := controlplane.RequestCountFilter{MerchantID: mine, Environment: controlplane.Live, Span: controlplane.SpanMinute, Since: At(at)}
		return read(k, func(ctx context.Context, tx controlplane.Tx) ([]controlplane.RequestCount, error) {
			return tx.RequestCounts(ctx, f)
		})
	}
	first := count(mine, 1, "A", 5)
	first.Unlisted = 3
	same(k, since(1), []controlplane.RequestCount{first, count(mine, 1, "B", 5), count(mine, 2, "A", 2)})
	same(k, len(since(2)), 1)
	k.must(func(ctx context.Context, tx controlplane.Tx) error {
		_, err := tx.PurgeRequestCounts(ctx, controlplane.Purge{Before: At(2), Limit: 10})
		return err
	})
	same(k, since(0), []controlplane.RequestCount{count(mine, 2, "A", 2)})
}

func requestAddresses(k *kit, mine, other string) {
	seen := func(merchantID string, at int, ip netip.Addr, n int64) controlplane.RequestAddress {
		return controlplane.RequestAddress{MerchantID: merchantID, Environment: controlplane.Live, Hour: At(at), IP: ip, Count: n}
	}
	ip := netip.MustParseAddr("203.0.113.9")
	all := []controlplane.RequestAddress{seen(mine, 1, ip, 1), seen(mine, 1, ip, 2), seen(mine, 5, ip, 4), seen(other, 1, ip, 8)}
	next := netip.MustParseAddr("2001:db8::1")
	for range controlplane.MaxRequestAddresses + 5 {
		all = append(all, seen(mine, 9, next, 1))
		next = next.Next()
	}
	all = append(all, seen(mine, 9, netip.MustParseAddr("2001:db8::2"), 1)) // known: still told apart
	k.must(func(ctx context.Context, tx controlplane.Tx) error {
		for _, a := range all {
			if err := tx.AddRequestAddress(ctx, a); err != nil {
				return err
			}
		}
		return nil
	})
	since := func(at time.Time) map[netip.Addr]controlplane.RequestAddress {
		out := map[netip.Addr]controlplane.RequestAddress{}
		for _, a := range read(k, func(ctx context.Context, tx controlplane.Tx) ([]controlplane.RequestAddress, error) {
			return tx.RequestAddresses(ctx, mine, at)
		}) {
			out[a.IP] = a
		}
		return out
	}
	got := since(At(1))
	same(k, got[ip], seen(mine, 5, ip, 7))
	same(k, got[netip.MustParseAddr("2001:db8::2")].Count, 2)
	same(k, got[netip.Addr{}], seen(mine, 9, netip.Addr{}, 5))
	same(k, len(got), controlplane.MaxRequestAddresses+2)
	same(k, since(At(2))[ip].Count, 4)
	k.must(func(ctx context.Context, tx controlplane.Tx) error {
		_, err := tx.PurgeRequestAddresses(ctx, controlplane.Purge{Before: At(9), Limit: 10_000})
		return err
	})
	same(k, since(At(0))[ip].Count, 0)
}

func oldRequests(k *kit, mine string, ofMine controlplane.RequestFilter) {
	accepted := logged(mine, 1)
	accepted.Outcome, accepted.Code = controlplane.RequestAccepted, controlplane.RequestOK
	logAll(k, logged(mine, 2), accepted, logged(mine, 3), logged(mine, 4), logged(mine, 5))
	purge := func(step func(ctx context.Context, tx controlplane.Tx) (controlplane.Purged, error)) (done controlplane.Purged) {
		k.must(func(ctx context.Context, tx controlplane.Tx) (err error) {
			done, err = step(ctx, tx)
			return err
		})
		return done
	}
	done := purge(func(ctx context.Context, tx controlplane.Tx) (controlplane.Purged, error) {
		return tx.PurgeAcceptedRequests(ctx, controlplane.Purge{Before: At(4), Limit: 10})
	})
	same(k, done, controlplane.Purged{Rows: 1})
	same(k, found(k, ofMine), "5 4 3 2 ")
	done = purge(func(ctx context.Context, tx controlplane.Tx) (controlplane.Purged, error) {
		return tx.PurgeRequests(ctx, controlplane.Purge{Before: At(9), Limit: 1})
	})
	same(k, done, controlplane.Purged{Rows: 1, More: true})
	same(k, found(k, ofMine), "5 4 3 ")
	done = purge(func(ctx context.Context, tx controlplane.Tx) (controlplane.Purged, error) {
		return tx.TrimRequests(ctx, 2, 10)
	})
	same(k, done, controlplane.Purged{Rows: 1})
	same(k, found(k, ofMine), "5 4 ")
}

func filteredRequests(k *kit, mine string, ofMine controlplane.RequestFilter) {
	all := []controlplane.LoggedRequest{logged(mine, 1), logged(mine, 2), logged(mine, 3), logged(mine, 4), logged(mine, 5), logged(mine, 6)}
	all[0].Environment = controlplane.Live
	all[1].Outcome, all[1].Code = controlplane.RequestAccepted, controlplane.RequestOK
	all[2].KeyID = "unk_test_2"
	all[3].ClientIP = netip.MustParseAddr("2001:db8::1")
	all[5].Code = "REQUEST_REPLAYED"
	logAll(k, all...)
	for want, edit := range map[string]func(*controlplane.RequestFilter){
		"1 ":       func(f *controlplane.RequestFilter) { f.Environment = controlplane.Live },
		"2 ":       func(f *controlplane.RequestFilter) { f.Outcome = controlplane.RequestAccepted },
		"6 5 4 3 ": func(f *controlplane.RequestFilter) { f.Outcome = controlplane.RequestRefused },
		"3 ":       func(f *controlplane.RequestFilter) { f.KeyID = "unk_test_2" },
		"4 ":       func(f *controlplane.RequestFilter) { f.IP = netip.MustParseAddr("2001:db8::1") },
		"5 ":       func(f *controlplane.RequestFilter) { f.PathPrefix = "/v1/payments/5" },
		"":         func(f *controlplane.RequestFilter) { f.PathPrefix = "/v1/payments%" },
		"6 ":       func(f *controlplane.RequestFilter) { f.Code = "REQUEST_REPLAYED" },
		"4 3 ":     func(f *controlplane.RequestFilter) { f.Since, f.Until = At(3), At(5) },
	} {
		f := ofMine
		edit(&f)
		same(k, found(k, f), want)
	}
}
