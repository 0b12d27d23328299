package controlplane

import "context"

// CreateMerchant is the input of [Service.CreateMerchant].
type CreateMerchant struct {
	Name string `json:"name" validate:"required,merchant_name"`
}

// CreateMerchant makes an active merchant without users, keys or allowlist: until
// an address is allowed, every request of theirs is refused.
func (s *Service) CreateMerchant(ctx context.Context, a Actor, in CreateMerchant) (Merchant, error) {
	id, err := NewID(PrefixMerchant, s.now(), s.random)
	if err != nil {
		return Merchant{}, asError(err)
	}
	r := request{actor: a, op: OpMerchantCreate, input: in}
	return change(ctx, s, r, func(tx Tx, rec *record) (Merchant, error) {
		now := s.now()
		m := Merchant{ID: id, Name: in.Name, State: MerchantActive, CreatedAt: now, UpdatedAt: now}
		if m.Revision, err = tx.BumpRevision(ctx); err != nil {
			return m, err
		}
		rec.target, rec.merchantID, rec.diff = m.ID, m.ID, map[string]Change{"name": {To: m.Name}}
		return m, tx.InsertMerchant(ctx, m)
	})
}

// RenameMerchant is the input of [Service.RenameMerchant].
type RenameMerchant struct {
	MerchantID string `json:"merchant_id" validate:"required"`
	Name       string `json:"name" validate:"required,merchant_name"`
}

// RenameMerchant changes what people call a merchant; its id stays.
func (s *Service) RenameMerchant(ctx context.Context, a Actor, in RenameMerchant) (Merchant, error) {
	r := request{actor: a, op: OpMerchantRename, merchantID: in.MerchantID, input: in}
	return s.changeMerchant(ctx, r, func(m *Merchant, rec *record) error {
		rec.diff = map[string]Change{"name": {From: m.Name, To: in.Name}}
		m.Name = in.Name
		return nil
	})
}

// SuspendMerchant refuses every key of the merchant from now on and makes the
// portal read-only for its users. CodeConflict if it is suspended already.
func (s *Service) SuspendMerchant(ctx context.Context, a Actor, merchantID string) (Merchant, error) {
	r := request{actor: a, op: OpMerchantSuspend, merchantID: merchantID, input: ofMerchant{merchantID}}
	return s.setMerchantState(ctx, r, MerchantSuspended)
}

// ResumeMerchant undoes [Service.SuspendMerchant].
func (s *Service) ResumeMerchant(ctx context.Context, a Actor, merchantID string) (Merchant, error) {
	r := request{actor: a, op: OpMerchantResume, merchantID: merchantID, input: ofMerchant{merchantID}}
	return s.setMerchantState(ctx, r, MerchantActive)
}

func (s *Service) setMerchantState(ctx context.Context, r request, to MerchantState) (Merchant, error) {
	return s.changeMerchant(ctx, r, func(m *Merchant, rec *record) error {
		if m.State == to {
			return Errorf(CodeConflict, "merchant %s is %s already", m.ID, to)
		}
		rec.diff = map[string]Change{"state": {From: m.State, To: to}}
		m.State = to
		return nil
	})
}

// changeMerchant loads, changes and saves the merchant of r.
func (s *Service) changeMerchant(ctx context.Context, r request, edit func(*Merchant, *record) error) (Merchant, error) {
	return change(ctx, s, r, func(tx Tx, rec *record) (Merchant, error) {
		m, err := tx.Merchant(ctx, r.merchantID)
		if err != nil {
			return m, orNotFound(err, "merchant", r.merchantID)
		}
		rec.target = m.ID
		if err := edit(&m, rec); err != nil {
			return m, err
		}
		return m, s.saveMerchant(ctx, tx, &m)
	})
}

// saveMerchant stamps m with a new revision, which makes gateways load its state
// and allowlist again.
func (s *Service) saveMerchant(ctx context.Context, tx Tx, m *Merchant) (err error) {
	m.UpdatedAt = s.now()
	if m.Revision, err = tx.BumpRevision(ctx); err != nil {
		return err
	}
	return tx.UpdateMerchant(ctx, *m)
}

// ListMerchants is for the platform team; merchants see themselves only.
func (s *Service) ListMerchants(ctx context.Context, a Actor, f MerchantFilter) ([]Merchant, error) {
	return read(ctx, s, request{actor: a, op: OpMerchantList, input: f}, func(tx Tx) ([]Merchant, error) {
		return tx.Merchants(ctx, f)
	})
}

// Merchant returns one merchant.
func (s *Service) Merchant(ctx context.Context, a Actor, merchantID string) (Merchant, error) {
	r := request{actor: a, op: OpMerchantView, merchantID: merchantID, input: ofMerchant{merchantID}}
	return read(ctx, s, r, func(tx Tx) (Merchant, error) { return tx.Merchant(ctx, merchantID) })
}
