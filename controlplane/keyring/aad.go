package keyring

import "encoding/binary"

// Location is the place a sealed value belongs to. Leave a field empty where
// it has no meaning, but always the same ones for the same column.
type Location struct {
	Table, Column, Row, Merchant, Environment string
}

// AAD encodes the location as additional data for Seal and Unseal.
func (l Location) AAD() []byte { return l.AppendAAD(nil) }

// AppendAAD is AAD into a buffer that the caller uses again.
func (l Location) AppendAAD(dst []byte) []byte {
	return AppendAAD(dst, l.Table, l.Column, l.Row, l.Merchant, l.Environment)
}

// AAD encodes parts so that no two lists of parts share an encoding: with mere
// joining, row "1" of merchant "23" and row "12" of merchant "3" would be one
// place, and their secrets could be swapped.
func AAD(parts ...string) []byte { return AppendAAD(nil, parts...) }

// AppendAAD is AAD into a buffer that the caller uses again.
func AppendAAD(dst []byte, parts ...string) []byte {
	for _, p := range parts {
		dst = binary.AppendUvarint(dst, uint64(len(p)))
		dst = append(dst, p...)
	}
	return dst
}
