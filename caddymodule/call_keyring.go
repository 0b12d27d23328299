package caddymodule

import (
	"context"
	"errors"
	"io/fs"
	"path/filepath"
	"time"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

// keyringStatus names keys; it holds none.
type keyringStatus struct {
	RootID   string    `json:"root_id"`
	RootPath string    `json:"root_path"`
	DataKeys []dataKey `json:"data_keys"`
}

type dataKey struct {
	ID        uint32    `json:"id"`
	Purpose   string    `json:"purpose"`
	CreatedAt time.Time `json:"created_at"`
	// Seals: new records are sealed with it.
	Seals bool `json:"seals"`
	// Sealed counts the records that this process sealed with it.
	Sealed uint64 `json:"sealed"`
}

type rotateRoot struct {
	// NewRoot is the absolute path of a root key file on the machine of the server.
	// Empty: one is made.
	NewRoot string `json:"new_root,omitempty"`
}

type rootRotated struct {
	RootID string `json:"root_id"`
	// RootPath is where the configuration has to find it from now on.
	RootPath string `json:"root_path"`
}

func keyringCalls() []call {
	return []call{
		newCall(controlplane.OpKeyringStatus, keyringStatusCall),
		newCall(controlplane.OpKeyringRotate, func(ctx context.Context, n callNode, a controlplane.Actor, _ struct{}) (controlplane.Resealed, error) {
			return n.service.RotateDataKeys(ctx, a, n.ring)
		}),
		newCall(controlplane.OpKeyringRotateRoot, rotateRootCall),
	}
}

func keyringStatusCall(ctx context.Context, n callNode, a controlplane.Actor, _ struct{}) (keyringStatus, error) {
	if err := n.service.Permit(ctx, a, controlplane.OpKeyringStatus, ""); err != nil {
		return keyringStatus{}, err
	}
	s := n.ring.Status()
	out := keyringStatus{RootID: s.RootID, RootPath: n.ring.rootPath, DataKeys: []dataKey{}}
	for _, k := range s.Keys {
		out.DataKeys = append(out.DataKeys, dataKey(k))
	}
	return out, nil
}

func rotateRootCall(ctx context.Context, n callNode, a controlplane.Actor, in rotateRoot) (rootRotated, error) {
	if in.NewRoot != "" && !filepath.IsAbs(in.NewRoot) {
		return rootRotated{}, controlplane.InvalidField("new_root", "must be an absolute path: the server reads the file")
	}
	id, err := n.service.RotateRoot(ctx, a, n.ring, in.NewRoot)
	if controlplane.CodeOf(err) == controlplane.CodeInternal && err != nil {
		err = rootError(in.NewRoot, err)
	}
	out := rootRotated{id, n.ring.rootPath}
	if in.NewRoot != "" {
		out.RootPath = in.NewRoot
	}
	return out, err
}

// rootError says what is wrong with the files of root keys: the operator can put
// that right, and the texts name files and fingerprints, no keys.
func rootError(newRoot string, err error) error {
	if cause := errors.Unwrap(err); cause != nil {
		err = cause
	}
	if newRoot != "" && errors.Is(err, fs.ErrNotExist) {
		return controlplane.InvalidField("new_root", "there is no file %s", newRoot)
	}
	return controlplane.Errorf(controlplane.CodeConflict, "%v", err)
}
