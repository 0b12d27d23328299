// Package replay holds the nonce stores: they remember which (key id, nonce) pairs were used, so
// that a signed request passes once. [Memory] serves one gateway and survives its restarts.
//
// A store is exact. It never answers fresh for a pair it may have seen: it refuses to evict a live
// nonce (full is an error), to guess (no Bloom filter: a false positive refuses a payment), and to
// accept what it cannot know or cannot record. Callers answer every error with 503.
//
// It does not verify signatures; recording a nonce before its MAC is good lets anybody burn a
// merchant's nonces. It knows nothing of HTTP or Caddy, and logs nothing.
package replay
