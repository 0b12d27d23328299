package delivery

// rotation hands out turns: round robin over merchants, and over the endpoints of
// each, so that neither many endpoints nor many events get a merchant more than
// its share.
type rotation struct {
	merchants []*turn
	byID      map[string]*turn
}

// turn is a merchant with endpoints that have something to send.
type turn struct {
	merchantID string
	endpoints  []*endpoint
}

func newRotation() rotation { return rotation{byID: map[string]*turn{}} }

// push puts an endpoint at the end of its merchant's turn.
func (r *rotation) push(ep *endpoint) {
	t, ok := r.byID[ep.merchantID]
	if !ok {
		t = &turn{merchantID: ep.merchantID}
		r.byID[ep.merchantID] = t
		r.merchants = append(r.merchants, t)
	}
	t.endpoints = append(t.endpoints, ep)
	ep.turning = true
}

// pop takes the endpoint whose turn it is, nil if there is none.
func (r *rotation) pop() *endpoint {
	if len(r.merchants) == 0 {
		return nil
	}
	t := r.merchants[0]
	r.merchants[0] = nil
	r.merchants = r.merchants[1:]
	ep := t.endpoints[0]
	t.endpoints[0] = nil
	if t.endpoints = t.endpoints[1:]; len(t.endpoints) > 0 {
		r.merchants = append(r.merchants, t)
	} else {
		delete(r.byID, t.merchantID)
	}
	ep.turning = false
	return ep
}
