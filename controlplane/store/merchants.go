package store

import (
	"context"
	"strings"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

const (
	sqlInsertMerchant = `INSERT INTO merchants (id, name, name_folded, state, created_at, updated_at, revision)
		VALUES ($1, $2, $3, $4, $5, $6, $7)`
	sqlUpdateMerchant = `UPDATE merchants SET name = $1, name_folded = $2, state = $3, updated_at = $4, revision = $5
		WHERE id = $6`
	sqlMerchant  = `SELECT id, name, state, created_at, updated_at, revision FROM merchants WHERE id = $1`
	sqlMerchants = `SELECT id, name, state, created_at, updated_at, revision FROM merchants
		WHERE id > $1 AND ($2 = '' OR state = $2) AND ($3 = '' OR id = $3 OR name_folded LIKE $4 ESCAPE '\')
		ORDER BY id LIMIT $5`
)

func (t *tx) InsertMerchant(ctx context.Context, m controlplane.Merchant) error {
	return t.insert(ctx, "merchant", sqlInsertMerchant,
		m.ID, m.Name, fold(m.Name), m.State, micros(m.CreatedAt), micros(m.UpdatedAt), m.Revision)
}

func (t *tx) UpdateMerchant(ctx context.Context, m controlplane.Merchant) error {
	return t.change(ctx, "merchant", sqlUpdateMerchant, m.Name, fold(m.Name), m.State, micros(m.UpdatedAt), m.Revision, m.ID)
}

func (t *tx) Merchant(ctx context.Context, id string) (controlplane.Merchant, error) {
	return one(ctx, t, "merchant", scanMerchant, sqlMerchant, id)
}

func (t *tx) Merchants(ctx context.Context, f controlplane.MerchantFilter) ([]controlplane.Merchant, error) {
	return list(ctx, t, "merchants", scanMerchant, sqlMerchants,
		f.After, f.State, f.Search, "%"+escapeLike(fold(f.Search))+"%", f.Rows())
}

func scanMerchant(r scanner, m *controlplane.Merchant) error {
	return r.Scan(&m.ID, &m.Name, &m.State, timeColumn{&m.CreatedAt}, timeColumn{&m.UpdatedAt}, &m.Revision)
}

func fold(s string) string { return strings.ToLower(s) }

// escapeLike makes the wildcards of LIKE stand for themselves.
func escapeLike(s string) string {
	return strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`).Replace(s)
}
