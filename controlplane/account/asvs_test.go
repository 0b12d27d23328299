package account

import (
	"bytes"
	"crypto/sha256"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/unknownpay/merchant-gateway/controlplane"
	"github.com/unknownpay/merchant-gateway/tests/asvs"
)

// What the standard asks for and no other test is about.

func TestThereAreNoDefaultAccounts(t *testing.T) {
	asvs.Covers(t, "6.3.2")
	w := newWorld(t)
	for _, name := range []string{"admin", "administrator", "root", "sa", "owner", "test", "demo", "guest", "unknownpay"} {
		for _, password := range []string{"", name, "password", "changeme", first} {
			_, err := stranger(w, name).signIn(password)
			if c := controlplane.CodeOf(err); c != controlplane.CodeDenied && c != controlplane.CodeLimit {
				t.Errorf("%s with %q: %v", name, password, err)
			}
		}
	}
}

func TestResetPasswordLeavesTheSecondFactor(t *testing.T) {
	asvs.Covers(t, "6.4.3", "6.4.6", "7.4.5")
	w := newWorld(t)
	p := w.enrolled("ann")
	a, err := w.domain.ResetUserPassword(t.Context(), local(), p.merchantID, p.id)
	w.must(err)
	p.in("")
	w.clock.pass(totpPeriod)
	p.step(controlplane.SessionPending2FA)(p.signIn(a.InitialPassword.Reveal()))
	p.step(controlplane.SessionPendingPassword)(p.showCode()) // whoever reset it knows it no longer
}

// TestSecretsComeFromTheRandomSource: what is drawn is what the source gave, all of
// it, so that it is as hard to guess.
func TestSecretsComeFromTheRandomSource(t *testing.T) {
	asvs.Covers(t, "6.5.2", "6.5.3", "6.5.4", "7.2.2", "7.2.3")
	if tokenBytes*8 < 128 || recoveryBytes*8 < 112 || seedLength*8 < 160 {
		t.Errorf("a token has %d bytes, a recovery code %d, a seed %d", tokenBytes, recoveryBytes, seedLength)
	}
	given := []byte("0123456789abcdef0123456789abcdef")
	token, hash, err := newToken(bytes.NewReader(given))
	if err != nil || token.Reveal() != tokenEncoding.EncodeToString(given) || hash != sha256.Sum256(given) {
		t.Errorf("%q, %v", token.Reveal(), err)
	}
	if _, _, err := newToken(bytes.NewReader(given[1:])); err == nil {
		t.Error("a token was made of less")
	}
}

// TestDocumentedLimits: what docs/portal.md says of signing in is what holds.
func TestDocumentedLimits(t *testing.T) {
	asvs.Covers(t, "6.1.1", "6.1.2", "6.1.3", "7.1.1", "7.1.2")
	text, err := os.ReadFile("../../docs/portal.md")
	if err != nil {
		t.Fatal(err)
	}
	minutes := func(d time.Duration) string { return strconv.Itoa(int(d.Minutes())) + " minutes" }
	hours := func(d time.Duration) string { return strconv.Itoa(int(d.Hours())) + " hours" }
	limit := func(l limit, of string) string { return of + " | " + strconv.Itoa(l.most) }
	for _, want := range []string{
		limit(passwordByIP(), "one address"), limit(passwordByName(), "one username"), limit(passwordByDevice(), "one known device"),
		limit(codeByAccount(), "one account"), limit(codeByDevice(), "one known device"),
		minutes(passwordByIP().window), minutes(passwordByName().window), hours(codeByAccount().window), hours(codeByDevice().window),
		"after " + minutes(idleLimit), "after " + hours(lifeActive), "At most " + strconv.Itoa(maxSessions), "for " + minutes(sudoLife),
		strconv.Itoa(MinPassword) + " characters", strconv.Itoa(MinPasswordWithSecondFactor) + " with", strconv.Itoa(MaxPassword),
	} {
		if !strings.Contains(string(text), want) {
			t.Errorf("docs/portal.md does not say %q", want)
		}
	}
	for _, word := range (about{}).words() {
		if !strings.Contains(strings.ToLower(string(text)), "`"+word+"`") {
			t.Errorf("docs/portal.md does not name the word %q", word)
		}
	}
}
