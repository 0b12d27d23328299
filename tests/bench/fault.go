package main

import (
	"crypto/sha256"
	"net"
	"net/http"
	"time"
)

// fault is what is wrong with a request.
type fault string

const (
	faultNone      fault = ""
	faultKey       fault = "unknown key"
	faultAddress   fault = "address that is not listed"
	faultLate      fault = "signed an hour ago"
	faultSignature fault = "wrong signature"
)

// status is what every answer must have: a refusal among requests that pass is
// cheaper than a pass and would flatter the gateway.
func (f fault) status() int {
	switch f {
	case faultNone:
		return http.StatusOK
	case faultAddress:
		return http.StatusForbidden
	}
	return http.StatusUnauthorized
}

// key is the one that the request names.
func (f fault) key(known string) string {
	if f != faultKey {
		return known
	}
	return known[:len(known)-8] + "00000000"
}

// at is when it says it was signed.
func (f fault) at(now time.Time) time.Time {
	if f == faultLate {
		return now.Add(-time.Hour)
	}
	return now
}

func (f fault) mac(good [sha256.Size]byte) [sha256.Size]byte {
	if f == faultSignature {
		good[0] ^= 1
	}
	return good
}

// dial connects from an address that is on the allowlist, or from one that is not.
func (f fault) dial(addr string) (net.Conn, error) {
	from := net.IPv4(127, 0, 0, 1)
	if f == faultAddress {
		from = net.IPv4(127, 0, 0, 2)
	}
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: from}}
	return d.Dial("tcp", addr)
}
