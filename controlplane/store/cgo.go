//go:build !cgo

package store

// Without cgo the SQLite driver is a stub that compiles and then fails in the
// running server. An undefined name stops the build instead, and its text says
// what to do.
const _ = cgo_is_required__set_CGO_ENABLED_1
