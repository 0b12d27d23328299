package account

import (
	"crypto/rand"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pquerna/otp"

	"github.com/unknownpay/merchant-gateway/controlplane"
	"github.com/unknownpay/merchant-gateway/controlplane/keyring"
	"github.com/unknownpay/merchant-gateway/tests/asvs"
)

func TestEnrolmentShowsWhatAnAppNeeds(t *testing.T) {
	asvs.Covers(t, "7.5.1")
	w := newWorld(t)
	p := w.settled("ann@shop.example")
	_, err := w.BeginEnrolment(t.Context(), p.token, p.from)
	wants(t, err, controlplane.CodeSudoRequired)
	w.must(p.confirm(first, ""))
	e, err := w.BeginEnrolment(t.Context(), p.token, p.from)
	w.must(err)
	key, err := otp.NewKeyFromURL(e.URI.Reveal())
	w.must(err)
	if key.Secret() != e.Seed.Reveal() || key.Issuer() != issuer || key.AccountName() != "ann@shop.example" || key.Digits() != otp.DigitsSix || key.Period() != 30 || key.Algorithm() != otp.AlgorithmSHA1 {
		t.Errorf("an app reads %s", key)
	}
	if len(e.Seed.Reveal()) != 32 {
		t.Errorf("the seed has %d characters", len(e.Seed.Reveal()))
	}
	if f, err := w.Factor(t.Context(), p.token); err != nil || f.Enrolled || !f.Pending || f.CodesLeft != 0 || f.Required {
		t.Errorf("unexpected factor: %+v, %v", f, err)
	}
	p.step(controlplane.SessionActive)(p.signIn(first)) // a pending seed asks nobody for a code
}

func TestURIEscapesTheName(t *testing.T) {
	u, err := url.Parse(otpauthURI(secret("SEED"), "a b&c=d#e?f/g").Reveal())
	if err != nil || u.Query().Get("secret") != "SEED" || u.Query().Get("issuer") != issuer || u.Path != "/"+issuer+":a b&c=d#e?f/g" || u.Fragment != "" {
		t.Errorf("%v, %v", u, err)
	}
}

func TestCodeOfTheEnrolmentIsSpent(t *testing.T) {
	w := newWorld(t)
	p := w.settled("ann")
	w.must(p.confirm(first, ""))
	e, err := w.BeginEnrolment(t.Context(), p.token, p.from)
	w.must(err)
	p.seed = e.Seed
	code := p.code()
	ticket, codes, err := w.FinishEnrolment(t.Context(), p.token, code, p.from)
	w.must(err)
	p.step(controlplane.SessionActive)(p.keep(ticket, nil))
	p.codes = codes
	p.step(controlplane.SessionPending2FA)(p.signIn(first))
	_, err = w.Code(t.Context(), p.token, code, p.from)
	wants(t, err, controlplane.CodeDenied)
	w.clock.pass(totpPeriod)
	p.step(controlplane.SessionActive)(p.showCode())
}

func TestWrongCodeConfirmsNothing(t *testing.T) {
	w := newWorld(t)
	p := w.settled("ann")
	w.must(p.confirm(first, ""))
	finish := func(code controlplane.Secret) error {
		_, _, err := w.FinishEnrolment(t.Context(), p.token, code, p.from)
		return err
	}
	wants(t, finish(secret("000000")), controlplane.CodeConflict) // nothing is under way
	e, err := w.BeginEnrolment(t.Context(), p.token, p.from)
	w.must(err)
	p.seed = e.Seed
	wants(t, finish(secret("000000")), controlplane.CodeDenied)
	stale := p.code()
	w.clock.pass(2 * totpPeriod)
	wants(t, finish(stale), controlplane.CodeDenied)
	old := p.seed
	e, err = w.BeginEnrolment(t.Context(), p.token, p.from)
	w.must(err)
	wants(t, finish((&person{w: w, seed: old}).code()), controlplane.CodeDenied) // that of the seed before
	p.seed = e.Seed
	p.step(controlplane.SessionActive)(p.signIn(first)) // none of it enrolled anything

	w.must(p.confirm(first, ""))
	w.clock.pass(sudoLife - time.Second)
	w.must(p.confirm(first, ""))
	w.clock.pass(enrolLife - sudoLife + time.Second)
	wants(t, finish(p.code()), controlplane.CodeConflict) // waited too long
}

func TestEnrolmentIsThrottled(t *testing.T) {
	w := newWorld(t)
	p := w.settled("ann")
	w.must(p.confirm(first, ""))
	_, err := w.BeginEnrolment(t.Context(), p.token, p.from)
	w.must(err)
	denied := 0
	for range codeByDevice().most + 5 {
		_, _, err := w.FinishEnrolment(t.Context(), p.token, secret("000000"), p.from)
		if controlplane.CodeOf(err) == controlplane.CodeDenied {
			denied++
		}
	}
	if denied != codeByDevice().most {
		t.Errorf("%d codes were checked", denied)
	}
}

func TestNewRecoveryCodesReplaceTheOld(t *testing.T) {
	w := newWorld(t)
	p := w.enrolled("ann")
	w.must(p.confirm(first, p.code().Reveal()))
	w.told()
	codes, err := w.NewRecoveryCodes(t.Context(), p.token, p.from)
	w.must(err)
	if got := w.told(); len(codes) != 10 || !slices.Equal(got, []controlplane.AccountNoticeKind{controlplane.NoticeRecoveryCodesMade}) {
		t.Errorf("%d codes, told %v", len(codes), got)
	}
	p.step(controlplane.SessionPending2FA)(p.signIn(first))
	_, err = w.RecoveryCode(t.Context(), p.token, p.codes[0], p.from)
	wants(t, err, controlplane.CodeDenied)
	p.step(controlplane.SessionActive)(p.keep(w.RecoveryCode(t.Context(), p.token, codes[0], p.from)))
}

// The wrong seed of the right account: rows must not be swapped in the database.
func TestSeedThatWasMovedDoesNotOpen(t *testing.T) {
	w := newWorld(t)
	ann, bob := w.enrolled("ann"), w.enrolled("bob")
	w.must(w.db.Update(t.Context(), func(tx controlplane.Tx) error {
		theirs, err := tx.Seed(t.Context(), bob.id, true)
		if err != nil {
			return err
		}
		mine, err := tx.Seed(t.Context(), ann.id, true)
		if err != nil {
			return err
		}
		row := controlplane.SealedRow{Location: controlplane.TOTPSeedLocation(mine.ID, mine.MerchantID), Record: theirs.Sealed}
		_, err = tx.ReplaceSealed(t.Context(), controlplane.PurposeTOTPSeed, row, mine.Sealed)
		return err
	}))
	ann.step(controlplane.SessionPending2FA)(ann.signIn(first))
	_, err := w.Code(t.Context(), ann.token, bob.code(), ann.from)
	if e := wants(t, err, controlplane.CodeInternal); e.Message != "internal error" {
		t.Errorf("the answer tells more than it should: %q", e.Message)
	}
}

// lent is the keyring as the domain wants it.
type lent struct{ *keyring.Ring }

func (r lent) NewDataKey(purpose string, now time.Time) (controlplane.DataKey, error) {
	k, err := r.Ring.NewDataKey(purpose, now)
	return controlplane.DataKey(k), err
}

func (r lent) Add(k controlplane.DataKey) error { return r.Ring.Add(keyring.WrappedKey(k)) }

func (r lent) NextRoot(string) (controlplane.NextRoot, error) {
	return nil, controlplane.Errorf(controlplane.CodeConflict, "not in this test")
}

func TestSeedsAreReencryptedWithTheirDataKey(t *testing.T) {
	w := newWorld(t)
	p := w.enrolled("ann")
	w.must(p.confirm(first, p.code().Reveal()))
	w.clock.pass(totpPeriod)
	pending, err := w.BeginEnrolment(t.Context(), p.token, p.from)
	w.must(err)
	done, err := w.domain.RotateDataKeys(t.Context(), local(), lent{w.ring})
	w.must(err)
	if !slices.Equal(done.Purposes, controlplane.Purposes()) || done.Records != 2 {
		t.Errorf("unexpected rotation: %+v", done)
	}
	q := &person{w: w, username: "ann", device: p.device, from: p.from, seed: p.seed}
	q.step(controlplane.SessionPending2FA)(q.signIn(first))
	q.step(controlplane.SessionActive)(q.showCode())
	p.seed = pending.Seed
	_, _, err = w.FinishEnrolment(t.Context(), p.token, p.code(), p.from)
	w.must(err)
}

func TestStepsAroundNowAreAcceptedInEverySpelling(t *testing.T) {
	asvs.Covers(t, "6.5.5")
	w := newWorld(t)
	seed, err := newSeed(rand.Reader)
	w.must(err)
	p := &person{w: w, seed: seed}
	now := w.clock.Now()
	for offset, want := range map[time.Duration]bool{
		-2 * totpPeriod: false, -totpPeriod: true, 0: true, totpPeriod: true, 2 * totpPeriod: false,
	} {
		w.clock.pass(offset)
		code := p.code().Reveal()
		w.clock.pass(-offset)
		for _, spelling := range []string{code, " " + code[:3] + " " + code[3:] + "\n", code[:2] + "\u00a0" + code[2:]} {
			step, found, err := matchStep(seed, secret(spelling), now)
			if err != nil || found != want || found && step != stepAt(now.Add(offset)) {
				t.Errorf("%s: %q gives %d, %v, %v", offset, spelling, step, found, err)
			}
		}
	}
	for _, text := range []string{"", "12345", "1234567", "abcdef", "１２３４５６", strings.Repeat("1", 1_000_000), "-12345", "12.345"} {
		if _, found, err := matchStep(seed, secret(text), now); found || err != nil {
			t.Errorf("%.10q: %v, %v", text, found, err)
		}
	}
	if _, _, err := matchStep(secret("not base32!"), secret("123456"), now); err == nil {
		t.Error("a broken seed checks codes")
	}
}

func TestRecoveryCodesAreReadAsPeopleTypeThem(t *testing.T) {
	codes, hashes, err := newRecoveryCodes(rand.Reader)
	if err != nil || len(codes) != 10 || len(hashes) != 10 {
		t.Fatalf("%d codes, %d hashes, %v", len(codes), len(hashes), err)
	}
	form := regexp.MustCompile(`^([0-9A-HJKMNP-TV-Z]{6}-){3}[0-9A-HJKMNP-TV-Z]{6}$`)
	for i, c := range codes {
		text := c.Reveal()
		if !form.MatchString(text) {
			t.Errorf("%q is not four groups of six", text)
		}
		bare := strings.ReplaceAll(text, "-", "")
		misread := strings.NewReplacer("0", "o", "1", "l").Replace(strings.ToLower(text))
		for _, spelling := range []string{text, bare, strings.ToLower(text), " " + strings.ReplaceAll(text, "-", " "), misread, strings.ReplaceAll(bare, "1", "I")} {
			if hash, ok := recoveryHash(secret(spelling)); !ok || hash != hashes[i] {
				t.Errorf("%q is not read as %q", spelling, text)
			}
		}
		for _, wrong := range []string{"", bare[1:], bare + "0", bare[:23] + "U", bare[:23] + "*", bare + "\n", strings.Repeat("0", 1_000_000)} {
			if _, ok := recoveryHash(secret(wrong)); ok {
				t.Errorf("%.40q is read as a code", wrong)
			}
		}
	}
}

func FuzzRecoveryHash(f *testing.F) {
	f.Add("0123AB-CDEFGH-JKMNPQ-RSTVWX")
	f.Add("o123ab cdefgh jkmnpq rstvwx")
	f.Add("ſſſſſſſſſſſſ")
	f.Fuzz(func(t *testing.T, text string) {
		a, ok := recoveryHash(secret(text))
		if b, again := recoveryHash(secret(text + "-")); ok && len(text) < 256 && (!again || a != b) {
			t.Fatalf("%q is not read twice alike", text)
		}
	})
}

func FuzzMatchStep(f *testing.F) {
	f.Add("JBSWY3DPEHPK3PXP", "123456", int64(1_700_000_000))
	f.Add("", " 1 2 3 4 5 6 ", int64(0))
	f.Add("not base32!", "12345\xff", int64(-1))
	f.Fuzz(func(t *testing.T, seed, code string, at int64) {
		now := time.Unix(at, 0)
		step, found, err := matchStep(secret(seed), secret(code), now)
		if found && (err != nil || step < stepAt(now)-1 || step > stepAt(now)+1) {
			t.Fatalf("the code belongs to step %d, far from %d", step, stepAt(now))
		}
	})
}

func FuzzParseSessionToken(f *testing.F) {
	f.Add("ses_00000000000000000000000000.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")
	f.Add("ses_00000000000000000000000000.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAB")
	f.Add("usr_00000000000000000000000000.")
	f.Fuzz(func(t *testing.T, text string) {
		id, _, ok := parseSessionToken(secret(text))
		if ok && (len(text) != 30+1+43 || !strings.HasPrefix(text, id+".")) {
			t.Fatalf("%q is read as a token of %q", text, id)
		}
	})
}
