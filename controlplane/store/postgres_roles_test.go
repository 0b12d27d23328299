package store

import (
	"context"
	"errors"
	"net/netip"
	"os"
	"strings"
	"testing"

	"github.com/unknownpay/merchant-gateway/controlplane"
	"github.com/unknownpay/merchant-gateway/controlplane/store/storetest"
	"github.com/unknownpay/merchant-gateway/tests/pgtest"
)

// gatewayRole opens a filled database with the rights that docs/postgres-roles.sql
// gives to gateways.
func gatewayRole(t *testing.T) *DB {
	t.Helper()
	url := migratedURL(t)
	owner := openPostgresAt(t, PostgresConfig{URL: url})
	if err := storetest.Fill(t.Context(), owner, 3, 2); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile("../../docs/postgres-roles.sql")
	if err != nil {
		t.Fatal(err)
	}
	// Twice, as after an upgrade.
	if err := errors.Join(pgtest.Exec(url, string(text)), pgtest.Exec(url, string(text)), pgtest.Exec(url, "ALTER ROLE merchants_gateway PASSWORD 'gate'")); err != nil {
		t.Fatal(err)
	}
	url, err = pgtest.As(url, "merchants_gateway", "gate")
	if err != nil {
		t.Fatal(err)
	}
	return openPostgresAt(t, PostgresConfig{URL: url})
}

func TestGatewaysRoleDoesWhatAGatewayDoes(t *testing.T) {
	db := gatewayRole(t)
	keys, prefixes := 0, 0
	err := db.View(t.Context(), func(tx controlplane.Tx) error {
		ctx := t.Context()
		_, _, size := tx.SnapshotSize(ctx)
		_, revision := tx.Revision(ctx)
		_, ring := tx.DataKeys(ctx)
		return errors.Join(size, revision, ring,
			tx.SnapshotMerchants(ctx, -1, func(m controlplane.MerchantRecord) error { prefixes += len(m.Allowlist); return nil }),
			tx.SnapshotKeys(ctx, -1, storetest.At(0), func(controlplane.KeyRecord) error { keys++; return nil }),
			tx.SnapshotMerchants(ctx, 0, func(controlplane.MerchantRecord) error { return nil }),
			tx.SnapshotKeys(ctx, 0, storetest.At(0), func(controlplane.KeyRecord) error { return nil }))
	})
	if err != nil || keys != 3 || prefixes != 6 {
		t.Fatalf("%d keys, %d prefixes, %v", keys, prefixes, err)
	}
	key := storetest.Key(storetest.Merchant(1).ID, controlplane.Live, 1)
	err = db.Update(controlplane.Concurrent(t.Context()), func(tx controlplane.Tx) error {
		ctx := t.Context()
		_, purge := tx.PurgeRequests(ctx, controlplane.Purge{Before: storetest.At(1), Limit: 5})
		_, trim := tx.TrimRequests(ctx, 100, 5)
		return errors.Join(purge, trim,
			tx.SaveNode(ctx, controlplane.Node{ID: "nod_1", StartedAt: storetest.At(1)}), tx.SaveNode(ctx, controlplane.Node{ID: "nod_1", StartedAt: storetest.At(2)}),
			tx.SaveKeyUse(ctx, []controlplane.KeyUse{{KeyID: key.ID, At: storetest.At(9)}}),
			tx.SaveAllowlistMatches(ctx, []controlplane.AllowlistMatch{{Row: 1, At: storetest.At(9)}}))
	})
	if err != nil {
		t.Fatal(err)
	}
	err = db.Update(controlplane.Concurrent(t.Context()), func(tx controlplane.Tx) error {
		ctx, m := t.Context(), storetest.Merchant(1).ID
		addr := controlplane.RequestAddress{MerchantID: m, Environment: controlplane.Test, Hour: storetest.At(0), IP: netip.MustParseAddr("203.0.113.9"), Count: 1}
		count := controlplane.RequestCount{MerchantID: m, Environment: controlplane.Test, Span: 60, At: storetest.At(0), Outcome: controlplane.RequestRefused, Code: "X", Count: 1}
		return errors.Join(
			tx.InsertRequest(ctx, controlplane.LoggedRequest{ID: "req_1", At: storetest.At(1), MerchantID: m, Environment: controlplane.Test, Outcome: controlplane.RequestRefused}),
			tx.AddRequestCount(ctx, count), tx.AddRequestCount(ctx, count), tx.AddRequestAddress(ctx, addr), tx.AddRequestAddress(ctx, addr))
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestGatewaysRoleDoesNothingElse(t *testing.T) {
	db := gatewayRole(t)
	m := storetest.Merchant(1)
	key := storetest.Key(m.ID, controlplane.Live, 1)
	for name, fn := range map[string]func(ctx context.Context, tx controlplane.Tx) error{
		"read a merchant's name": func(ctx context.Context, tx controlplane.Tx) error { _, err := tx.Merchant(ctx, m.ID); return err },
		"read users": func(ctx context.Context, tx controlplane.Tx) error {
			_, err := tx.UserByUsername(ctx, "anna")
			return err
		},
		"read the trail": func(ctx context.Context, tx controlplane.Tx) error { _, err := tx.AuditAfter(ctx, 0, 1); return err },
		"make a merchant": func(ctx context.Context, tx controlplane.Tx) error {
			return tx.InsertMerchant(ctx, storetest.Merchant(9))
		},
		"issue a key": func(ctx context.Context, tx controlplane.Tx) error {
			return tx.InsertKey(ctx, storetest.Key(m.ID, controlplane.Test, 8), []byte{1})
		},
		"revive a key": func(ctx context.Context, tx controlplane.Tx) error { return tx.UpdateKey(ctx, key) },
		"widen an allowlist": func(ctx context.Context, tx controlplane.Tx) error {
			_, err := tx.InsertAllowlistEntry(ctx, storetest.Entry(m.ID, 7))
			return err
		},
		"narrow an allowlist": func(ctx context.Context, tx controlplane.Tx) error {
			return tx.DeleteAllowlistEntry(ctx, m.ID, storetest.Entry(m.ID, 3).ID)
		},
		"bump the revision": func(ctx context.Context, tx controlplane.Tx) error { _, err := tx.BumpRevision(ctx); return err },
		"replace a data key": func(ctx context.Context, tx controlplane.Tx) error {
			return tx.PutDataKey(ctx, controlplane.DataKey{ID: 1, Purpose: "x"})
		},
		"remove a node": func(ctx context.Context, tx controlplane.Tx) error {
			_, err := tx.DeleteNodes(ctx, storetest.At(9))
			return err
		},
		"claim deliveries": func(ctx context.Context, tx controlplane.Tx) error { _, err := tx.Backlogs(ctx); return err },
		"write the trail": func(ctx context.Context, tx controlplane.Tx) error {
			return controlplane.WriteAudit(ctx, tx, controlplane.AuditEvent{ActorKind: controlplane.ActorSystem, Outcome: controlplane.OutcomeOK})
		},
	} {
		err := db.Update(controlplane.Concurrent(t.Context()), func(tx controlplane.Tx) error { return fn(t.Context(), tx) })
		if controlplane.CodeOf(err) != controlplane.CodeUnavailable || !strings.Contains(err.Error(), "refuses") {
			t.Errorf("%s: %v", name, err)
		}
	}
	// Nor by what a change begins with.
	if err := insert(t.Context(), db, 9); controlplane.CodeOf(err) != controlplane.CodeUnavailable {
		t.Errorf("a change: %v", err)
	}
}
