package signature

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// The refusals of [Signer].
var (
	errKeyID    = errors.New("signature: not a key id: want unk_live_ or unk_test_ and 22 letters or digits")
	errNonce    = errors.New("signature: the nonce must have 16 to 64 characters of A-Z, a-z, 0-9, - and _")
	errClock    = errors.New("signature: the time is not between 2001-09-09 and 2286-11-20")
	errNoURL    = errors.New("signature: the request has no URL")
	errWireForm = errors.New("signature: net/http would not send this URL as a path and query: leave URL.Opaque empty or let it begin with one '/'")
	errConnect  = errors.New("signature: CONNECT has no path to sign")
	errSecret   = errors.New("signature: the secret holds white space: trim the line break")
)

// nonceEntropy is in bytes: 2^64 requests before a collision is likely.
const nonceEntropy = 16

// Signer signs requests of one key. It is safe for concurrent use. Most
// programs want [NewTransport] instead.
type Signer struct {
	keyID string
	key   MACKey
}

// NewSigner returns a signer for a key id and its secret, both as the portal
// showed them. It refuses an empty secret ([ErrEmptySecret]), one with white
// space (a file's last line break was not trimmed) and a text that is not a key
// id.
func NewSigner(keyID, secret string) (*Signer, error) {
	if _, ok := EnvironmentOf(keyID); !ok {
		return nil, errKeyID
	}
	if strings.ContainsAny(secret, " \t\r\n") {
		return nil, errSecret
	}
	key, err := NewMACKey([]byte(secret))
	if err != nil {
		return nil, err
	}
	return &Signer{keyID: keyID, key: key}, nil
}

// Format keeps the key out of logs, whatever the verb.
func (s Signer) Format(f fmt.State, _ rune) {
	fmt.Fprintf(f, "signer of %s", s.keyID)
}

// Sign sets the four UNK1 headers of req for a body with this SHA-256 (that of
// nothing when there is no body), replacing those it had. It signs the host and
// target that net/http will put on the wire. The nonce must be new for the key:
// see [NewNonce].
func (s *Signer) Sign(req *http.Request, bodyHash [sha256.Size]byte, now time.Time, nonce string) error {
	r, timestamp, err := toSign(req, now, nonce)
	if err != nil {
		return err
	}
	m := Message{Timestamp: timestamp, Nonce: nonce, Method: r.Method, Host: r.Host, Target: r.Target, BodyHash: bodyHash}
	req.Header.Set(HeaderKey, s.keyID)
	req.Header.Set(HeaderTimestamp, timestamp)
	req.Header.Set(HeaderNonce, nonce)
	req.Header.Set(HeaderSignature, FormatMAC(s.key.Sum(&m)))
	return nil
}

// SignRFC9421 is [Signer.Sign] with the standard scheme: it sets
// Content-Digest, Signature-Input and Signature, and covers Idempotency-Key
// when req has one.
func (s *Signer) SignRFC9421(req *http.Request, bodyHash [sha256.Size]byte, now time.Time, nonce string) error {
	r, timestamp, err := toSign(req, now, nonce)
	if err != nil {
		return err
	}
	req.Header.Set(headerContentDigest, "sha-256=:"+base64.StdEncoding.EncodeToString(bodyHash[:])+":")
	in := input{
		names:      [maxComponents]string{"@method", "@authority", "@path", "@query", "content-digest"},
		nameCount:  5,
		params:     [maxParams]param{{"created", timestamp}, {"keyid", `"` + s.keyID + `"`}, {"nonce", `"` + nonce + `"`}, {"alg", `"` + algorithmHMAC + `"`}},
		paramCount: 4,
		header:     req.Header,
	}
	if len(req.Header[headerIdempotencyKey]) > 0 {
		in.names[in.nameCount] = "idempotency-key"
		in.nameCount++
	}
	base, err := in.appendBase(nil, &r)
	if err != nil {
		return err
	}
	mac := s.key.SumBytes(base)
	req.Header.Set(headerSignatureInput, "sig="+string(in.appendParams(nil)))
	req.Header.Set(headerSignature, "sig=:"+base64.StdEncoding.EncodeToString(mac[:])+":")
	return nil
}

// toSign returns what both schemes sign, and makes sure that req can take
// headers.
func toSign(req *http.Request, now time.Time, nonce string) (r Request, timestamp string, err error) {
	timestamp = strconv.FormatInt(now.Unix(), 10)
	if _, ok := parseTimestamp(timestamp); !ok {
		return r, "", errClock
	}
	if !validNonce(nonce) {
		return r, "", errNonce
	}
	if r, err = onWire(req); err != nil {
		return r, "", err
	}
	if req.Header == nil {
		req.Header = make(http.Header)
	}
	return r, timestamp, nil
}

// NewNonce returns 128 random bits in hex. Pass crypto/rand.Reader.
func NewNonce(random io.Reader) (string, error) {
	b := make([]byte, nonceEntropy)
	if _, err := io.ReadFull(random, b); err != nil {
		return "", fmt.Errorf("signature: no random bytes for a nonce: %w", err)
	}
	return hex.EncodeToString(b), nil
}

// onWire returns the method, host and target that net/http sends for req, over
// HTTP/1.1 and HTTP/2 alike, and refuses URLs that the two send differently.
func onWire(req *http.Request) (r Request, err error) {
	if req.URL == nil {
		return r, errNoURL
	}
	r.Method, r.Scheme = req.Method, req.URL.Scheme
	switch r.Method {
	case "":
		r.Method = http.MethodGet
	case http.MethodConnect:
		return r, errConnect
	}
	host := req.Host
	if host == "" {
		host = req.URL.Host
	}
	if r.Host, err = Host(host, r.Scheme); err != nil {
		return r, err
	}
	raw := req.URL.RequestURI()
	if r.Target, err = Target(raw); err != nil || r.Target != raw {
		return r, errors.Join(errWireForm, err)
	}
	return r, nil
}
