package signature

import (
	"crypto/sha256"
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
	m := Message{Timestamp: strconv.FormatInt(now.Unix(), 10), Nonce: nonce, BodyHash: bodyHash}
	if _, ok := parseTimestamp(m.Timestamp); !ok {
		return errClock
	}
	if !validNonce(nonce) {
		return errNonce
	}
	var err error
	if m.Method, m.Host, m.Target, err = onWire(req); err != nil {
		return err
	}
	if req.Header == nil {
		req.Header = make(http.Header)
	}
	req.Header.Set(HeaderKey, s.keyID)
	req.Header.Set(HeaderTimestamp, m.Timestamp)
	req.Header.Set(HeaderNonce, nonce)
	req.Header.Set(HeaderSignature, FormatMAC(s.key.Sum(&m)))
	return nil
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
func onWire(req *http.Request) (method, host, target string, err error) {
	if req.URL == nil {
		return "", "", "", errNoURL
	}
	method = req.Method
	switch method {
	case "":
		method = http.MethodGet
	case http.MethodConnect:
		return "", "", "", errConnect
	}
	host = req.Host
	if host == "" {
		host = req.URL.Host
	}
	if host, err = Host(host, req.URL.Scheme); err != nil {
		return "", "", "", err
	}
	raw := req.URL.RequestURI()
	if target, err = Target(raw); err != nil || target != raw {
		return "", "", "", errors.Join(errWireForm, err)
	}
	return method, host, target, nil
}
