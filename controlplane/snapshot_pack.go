package controlplane

import (
	"hash/crc32"

	"github.com/unknownpay/merchant-gateway/controlplane/signature"
)

// Key ids and secrets are kept with 6 bits for a character of base62, four characters
// in three bytes. A key so takes 54 bytes, where its text and the states of its HMAC
// took 96; all in all a million with three prefixes each take 130 bytes a key and not 176.
// Making the HMAC key for a request takes 0.2 µs.
const (
	packedName   = (keyIDChars*6 + 7) / 8
	packedSecret = (secretChars*6 + 7) / 8
	secretLength = len("unks_live_") + secretChars + crcChars
)

// base62Values is the place in base62 of each character from '0' on.
const base62Values = "\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09" + "\x00\x00\x00\x00\x00\x00\x00" +
	"\x0a\x0b\x0c\x0d\x0e\x0f\x10\x11\x12\x13\x14\x15\x16\x17\x18\x19\x1a\x1b\x1c\x1d\x1e\x1f\x20\x21\x22\x23" + "\x00\x00\x00\x00\x00\x00" +
	"\x24\x25\x26\x27\x28\x29\x2a\x2b\x2c\x2d\x2e\x2f\x30\x31\x32\x33\x34\x35\x36\x37\x38\x39\x3a\x3b\x3c\x3d"

// pack6 packs text, of which every character must be of base62, into dst.
func pack6[T string | []byte](dst []byte, text T) {
	for len(text) > 0 {
		chars, bytes := min(4, len(text)), min(3, len(dst))
		bits := uint32(0)
		for i := range chars {
			bits |= uint32(base62Values[text[i]-'0']) << (6 * i)
		}
		for i := range bytes {
			dst[i] = byte(bits >> (8 * i))
		}
		text, dst = text[chars:], dst[bytes:]
	}
}

// unpack6 is the inverse, for as many characters as dst has. What no text was packed
// to gives some text.
func unpack6(dst, packed []byte) {
	const chars = base62 + "zz" // 64, so that no index needs a check
	for ; len(dst) >= 4 && len(packed) >= 3; dst, packed = dst[4:], packed[3:] {
		bits := uint32(packed[0]) | uint32(packed[1])<<8 | uint32(packed[2])<<16
		dst[0], dst[1], dst[2], dst[3] = chars[bits&63], chars[bits>>6&63], chars[bits>>12&63], chars[bits>>18&63]
	}
	bits := uint32(0)
	for i := range packed {
		bits |= uint32(packed[i]) << (8 * i)
	}
	for i := range dst {
		dst[i] = chars[bits>>(6*i)&63]
	}
}

// packSecret is false for what is not in the form in which secrets are issued.
func packSecret(env Environment, secret []byte) (packed [packedSecret]byte, ok bool) {
	body := len(secret) - crcChars
	if len(secret) != secretLength || string(secret[:len("unks_")]) != "unks_" || string(secret[len("unks_"):len("unks_live")]) != string(env) || secret[len("unks_live")] != '_' {
		return packed, false
	}
	for _, c := range secret[len("unks_live_"):body] {
		if c != '0' && (c < '0' || int(c-'0') >= len(base62Values) || base62Values[c-'0'] == 0) {
			return packed, false
		}
	}
	if sum := checksumOf(secret[:body]); string(sum[:]) != string(secret[body:]) {
		return packed, false
	}
	pack6(packed[:], secret[len("unks_live_"):body])
	return packed, true
}

// appendSecret is the inverse.
func appendSecret(dst []byte, env Environment, packed *[packedSecret]byte) []byte {
	from := len(dst)
	dst = append(append(append(dst, "unks_"...), env...), '_')
	var text [secretChars]byte
	unpack6(text[:], packed[:])
	dst = append(dst, text[:]...)
	sum := checksumOf(dst[from:])
	return append(dst, sum[:]...)
}

// checksumOf is the CRC-32 (IEEE) of what comes before it in a secret. Its digits
// are those of [math/big], small letters first.
func checksumOf(text []byte) (digits [crcChars]byte) {
	const order = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
	// crc32.ChecksumIEEE is faster, but would move the text to the heap: an allocation
	// for each request.
	n := ^uint32(0)
	for _, c := range text {
		n = crc32.IEEETable[byte(n)^c] ^ n>>8
	}
	n = ^n
	for i := len(digits) - 1; i >= 0; i-- {
		digits[i] = order[n%62]
		n /= 62
	}
	return digits
}

// macOf makes the HMAC key of a packed secret; of none it is the zero key, by which
// nothing verifies.
func macOf(env Environment, packed *[packedSecret]byte) signature.MACKey {
	if *packed == ([packedSecret]byte{}) {
		return signature.MACKey{}
	}
	var text [secretLength]byte
	mac, _ := signature.NewMACKey(appendSecret(text[:0], env, packed)) // it is not empty
	clear(text[:])
	return mac
}
