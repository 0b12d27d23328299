// Package lastgood keeps on the disk of a gateway the last snapshot that it had from
// the control plane, so that it can start, and go on deciding, while the database is
// away.
//
// It writes nothing in the clear but which root key opens the file: what a snapshot
// holds signs as the merchants do. It refuses a file of which one bit was changed, a
// block moved or the end cut off, and says when the database was last heard, so that
// whoever starts from it can refuse what is too old. It cannot tell an older file of
// its own from the newest one.
package lastgood
