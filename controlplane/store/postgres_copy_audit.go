package store

import (
	"context"
	"errors"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

// reader is the source as a Tx.
func (c *copier) reader() *tx { return &tx{sql: c.source, dialect: sqliteDialect{}} }

// continues refuses a target whose trail is not the beginning of the source's, and
// returns where that of the source ends.
func (c *copier) continues(ctx context.Context, to *DB) (head controlplane.AuditHead, err error) {
	if head, err = c.reader().AuditHead(ctx); err != nil {
		return head, err
	}
	have, err := targetHead(ctx, to)
	if err != nil || have.Seq == 0 {
		return head, errors.Join(err, c.emptyOrCopied(ctx, to, have))
	}
	same, err := c.reader().AuditAfter(ctx, have.Seq-1, 1)
	if err != nil {
		return head, err
	}
	if len(same) == 0 || same[0].Hash != have.Hash {
		return head, errNotACopy()
	}
	return head, nil
}

func targetHead(ctx context.Context, to *DB) (head controlplane.AuditHead, err error) {
	err = to.View(ctx, func(tx controlplane.Tx) (err error) {
		head, err = tx.AuditHead(ctx)
		return err
	})
	return head, err
}

// emptyOrCopied: without a trail, a target may only hold what an interrupted copy has
// left, which all has the data keys of the source.
func (c *copier) emptyOrCopied(ctx context.Context, to *DB, have controlplane.AuditHead) error {
	if have.Seq != 0 {
		return nil
	}
	mine, err := c.reader().DataKeys(ctx)
	if err != nil {
		return err
	}
	known := map[string]bool{}
	for _, k := range mine {
		known[string(k.Wrapped)] = true
	}
	return to.View(ctx, func(tx controlplane.Tx) error {
		theirs, err := tx.DataKeys(ctx)
		if err != nil {
			return err
		}
		for _, k := range theirs {
			if !known[string(k.Wrapped)] {
				return errNotACopy()
			}
		}
		return nil
	})
}

func errNotACopy() error {
	return controlplane.Errorf(controlplane.CodeConflict, "PostgreSQL holds another control plane, or one that was used since it was copied; copy into an empty database")
}

// copyAudit appends what the target's trail lacks, each row after its hash was
// computed anew and found to follow the one before.
func (c *copier) copyAudit(ctx context.Context, to *DB) error {
	for {
		last, err := targetHead(ctx, to)
		if err != nil {
			return err
		}
		rows, err := c.reader().AuditAfter(ctx, last.Seq, copyBatch)
		if err != nil || len(rows) == 0 {
			return err
		}
		prev := last
		for _, e := range rows {
			if e.Seq != prev.Seq+1 || e.PrevHash != prev.Hash || e.ComputeHash() != e.Hash {
				return controlplane.Errorf(controlplane.CodeConflict, "row %d of the audit trail does not follow the one before; \"caddy merchants audit verify\" says more", e.Seq)
			}
			prev = controlplane.AuditHead{Seq: e.Seq, Hash: e.Hash}
		}
		err = to.Update(ctx, func(tx controlplane.Tx) error {
			for _, e := range rows {
				if err := tx.AppendAudit(ctx, e); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
}
