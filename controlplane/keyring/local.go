package keyring

import "fmt"

// LocalOverhead is by how many bytes SealLocal makes a text longer.
const LocalOverhead = 12 + 16

// Root is the root that wraps the data keys made from now on.
func (r *Ring) Root() *Root { return r.keys.Load().root }

// SealLocal appends to dst what a server keeps on its own disk, encrypted by a key
// that only the root yields: it has to be readable while the database, and with it
// the data keys, is away. aad ties it to its place. The free room of dst must not
// overlap plaintext.
func (r *Root) SealLocal(dst, aad, plaintext []byte) []byte {
	return r.local.Seal(dst, nil, plaintext, aad)
}

// OpenLocal appends to dst what SealLocal has sealed under this root with the same
// aad. Error: ErrNotAuthentic.
func (r *Root) OpenLocal(dst, aad, box []byte) ([]byte, error) {
	out, err := r.local.Open(dst, nil, box, aad)
	if err != nil {
		return nil, fmt.Errorf("open a local file: %w", ErrNotAuthentic)
	}
	return out, nil
}
