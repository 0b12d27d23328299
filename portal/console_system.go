package portal

import (
	"context"
	"net/http"
	"time"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

// SystemStatus is how the server that answers is doing.
type SystemStatus struct {
	Version, Caddy string
	// Database is sqlite or postgres; sizes in bytes.
	Database            string
	FileBytes, WALBytes int64
	SchemaVersion       int64
	// Revision is the newest in the database; SnapshotRevision that which requests are
	// decided by, SnapshotAge how long ago the database last confirmed it.
	Revision, SnapshotRevision int64
	SnapshotAge                time.Duration
	Keys, Merchants            int
	// UnreadableKeys are refused because their secrets do not open.
	UnreadableKeys int
	// Nonces remembered, and how many can be; 0 of 0: not known here.
	Nonces, NonceCapacity, RefusedFull int64
	Queue                              controlplane.DeliveryQueue
	// Nodes are the servers that share the database.
	Nodes []NodeStatus
	// Keyring is nil for those who may not see it.
	Keyring *KeyringStatus
}

// NodeStatus is one of them, as it last told of itself.
type NodeStatus struct {
	controlplane.Node
	// Answers: it is the one that shows the page.
	Answers  bool
	Troubles []controlplane.NodeTrouble
}

// KeyringStatus names the keys that seal secrets; it holds none.
type KeyringStatus struct {
	RootID   string
	DataKeys []DataKeyStatus
}

// DataKeyStatus is one data key.
type DataKeyStatus struct {
	ID        uint32
	Purpose   string
	CreatedAt time.Time
	// Seals: new records are sealed with it.
	Seals bool
}

// StatusSource says how the server is doing, to those who may know.
type StatusSource func(ctx context.Context, a controlplane.Actor) (SystemStatus, error)

// systemPage shows it.
type systemPage struct {
	SystemStatus
	Now time.Time
}

// Behind: requests are decided by what is not the newest.
func (p systemPage) Behind() bool {
	return p.SnapshotRevision < p.Revision || p.SnapshotAge > time.Minute
}

// Fill is how full the memory of nonces is, in percent.
func (p systemPage) Fill() int64 {
	if p.NonceCapacity == 0 {
		return 0
	}
	return p.Nonces * 100 / p.NonceCapacity
}

// Waited is the age of the oldest pending delivery.
func (p systemPage) Waited() took {
	if p.Queue.OldestPending.IsZero() {
		return 0
	}
	return took(p.Now.Sub(p.Queue.OldestPending))
}

// File is the size of the database.
func (p systemPage) File() size { return size(p.FileBytes) }

// WAL is the size of the write-ahead log.
func (p systemPage) WAL() size { return size(p.WALBytes) }

// LagOf is how old what a server decides by was when it told.
func (p systemPage) LagOf(n NodeStatus) took { return took(n.Lag()) }

// Age is that of the snapshot.
func (p systemPage) Age() took { return took(p.SnapshotAge) }

func showSystem(x *exchange) error {
	if x.status == nil {
		return controlplane.Errorf(controlplane.CodeUnavailable, "nothing here knows how the server is doing")
	}
	s, err := x.status(x.ctx(), x.actor())
	if err != nil {
		return err
	}
	return x.render(http.StatusOK, "system", systemPage{s, x.clock()})
}

// auditReportPage is the result of recomputing the audit trail.
type auditReportPage struct{ controlplane.AuditReport }

func showAuditVerify(x *exchange) error {
	report, err := x.service.VerifyAudit(x.ctx(), x.actor())
	if err != nil {
		return err
	}
	return x.render(http.StatusOK, "audit.verify", auditReportPage{report})
}
