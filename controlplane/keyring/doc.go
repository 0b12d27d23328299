// Package keyring encrypts at rest the secrets that must be read back: API
// secrets, webhook secrets, TOTP seeds.
//
// A root key (32 bytes, a file of its owner only) yields by HKDF-SHA256 a
// key-encryption key. That key wraps one AES-256 data key per purpose, and the
// data keys seal the records. Whoever holds the database without the root file
// holds nothing; whoever may write the database cannot move a sealed value to
// another row, merchant, environment or purpose, because each value
// authenticates its place.
//
// A third key of the root seals what a server keeps on its own disk (SealLocal).
//
// The package handles values. It does not know a database, does not log, and
// refuses to hand out a key in any form, formatted or encoded. It does not
// protect from someone who can read the memory of the process, and not from an
// old value put back into the row it came from.
//
// # Rotation
//
// A data key: NewDataKey, store it, Add, then Reseal every record for which
// NeedsReseal, and at last Drop. The root: NextRoot, Rewrap, store the wrapped
// keys in one transaction, SetRoot, FinishRotation. FindRoot and LoadRootFor
// recover from a stop at any point in between.
//
// A new root does not replace the data keys. After a root key has leaked,
// rotate the root and then every data key.
package keyring
