package account

import (
	"encoding/base32"
	"fmt"
	"io"
	"net/url"
	"strings"
	"time"
	"unicode"

	"github.com/pquerna/otp"
	"github.com/pquerna/otp/hotp"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

const (
	// seedLength is that of an HMAC-SHA-1 key (RFC 4226 section 4, R6).
	seedLength = 20
	// totpPeriod and six digits are what every authenticator app supports.
	totpPeriod = 30 * time.Second
	totpDigits = otp.DigitsSix
	// issuer is the name that authenticator apps show.
	issuer = "UnknownPay"
)

var seedEncoding = base32.StdEncoding.WithPadding(base32.NoPadding)

// newSeed draws a seed, in the base32 that apps take.
func newSeed(random io.Reader) (controlplane.Secret, error) {
	raw := make([]byte, seedLength)
	defer clear(raw)
	if _, err := io.ReadFull(random, raw); err != nil {
		return controlplane.Secret{}, fmt.Errorf("read randomness for a seed: %w", err)
	}
	return controlplane.NewSecret(seedEncoding.EncodeToString(raw)), nil
}

// otpauthURI is what a QR code for authenticator apps holds.
func otpauthURI(seed controlplane.Secret, username string) controlplane.Secret {
	label := url.PathEscape(issuer) + ":" + url.PathEscape(username)
	return controlplane.NewSecret(fmt.Sprintf("otpauth://totp/%s?secret=%s&issuer=%s&algorithm=SHA1&digits=%d&period=%d",
		label, seed.Reveal(), url.QueryEscape(issuer), totpDigits.Length(), int(totpPeriod.Seconds())))
}

func stepAt(t time.Time) int64 { return t.Unix() / int64(totpPeriod.Seconds()) }

// matchStep returns the step, of the present one and its neighbours, that a code
// belongs to. totp.Validate would not say which, and a code whose step is not
// known cannot be spent. All three are always computed.
func matchStep(seed, code controlplane.Secret, now time.Time) (step int64, found bool, err error) {
	digits := strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) {
			return -1
		}
		return r
	}, code.Reveal())
	if len(digits) != totpDigits.Length() {
		return 0, false, nil
	}
	for offset := int64(-1); offset <= 1; offset++ {
		candidate := stepAt(now) + offset
		ok, err := hotp.ValidateCustom(digits, uint64(candidate), seed.Reveal(), hotp.ValidateOpts{Digits: totpDigits, Algorithm: otp.AlgorithmSHA1})
		if err != nil {
			return 0, false, fmt.Errorf("compute a code: %w", err)
		}
		if ok {
			step, found = candidate, true
		}
	}
	return step, found, nil
}
