package account

import (
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"

	"github.com/unknownpay/merchant-gateway/controlplane"
	"github.com/unknownpay/merchant-gateway/tests/asvs"
)

var ann = about{username: "ann.smith", email: "ann.smith@blue-lotus.example", merchant: "Blue Lotus Trading Co., Ltd."}

func ruleOf(t *testing.T, err error) string {
	t.Helper()
	if err == nil {
		return ""
	}
	var e *controlplane.Error
	if !errors.As(err, &e) || e.Code != controlplane.CodeInvalid || len(e.Fields) != 1 || e.Fields[0].Field != "password" || e.Fields[0].Message == "" {
		t.Fatalf("unexpected error: %#v", err)
	}
	return strings.TrimPrefix(e.Fields[0].Rule, "password_")
}

func TestPasswordsThatAreAccepted(t *testing.T) {
	asvs.Covers(t, "6.2.5", "6.2.9")
	for _, p := range []string{
		"purple lamp tractor ocean", "vexed-otter-quilt-mango", "kT9#vQ2m!xR7pLw", "abstrakte Kunst im Keller", "ฝนตกที่ภูเก็ตวันอังคารนี้",
		"aber Mondlicht tropft", "x7Jq mB2e Lw9z Rt4k", "…—–«»¿¡§¶†‡•°±×÷", strings.Repeat("Zk4!pQ9w", 16), "Tr0mbone vs. Giraffe",
	} {
		if err := checkPassword(p, ann); err != nil {
			t.Errorf("%q: %v", p, err)
		}
	}
}

func TestPasswordsThatAreRefused(t *testing.T) {
	asvs.Covers(t, "6.2.1", "6.2.11", "6.2.12")
	for p, want := range map[string]string{
		"":               "short",
		"kT9#vQ2m!xR7pL": "short", // 14
		"ฝนตกที่ภูเก็ต":                "short", // more bytes than characters
		strings.Repeat("kT9#vQ2m", 17): "long",
		"kT9#vQ2m\x00xR7pLw":           "text",
		"kT9#vQ2m\nxR7pLw":             "text",
		"kT9#vQ2m\xffxR7pLw":           "text",
		"passwordpassword":             "common",
		"Password12345678":             "common",
		"P@ssw0rd!P@ssw0rd!":           "common",
		"p-a-s-s-w-o-r-d-1234":         "common",
		"correct horse battery staple": "common",
		"CorrectHorseBatteryStaple":    "common",
		"qwertyuiopasdfghjkl":          "common",
		"1qaz2wsx3edc4rfv":             "common",
		"1q2w3e4r5t6y7u8i":             "common",
		"poiuytrewqlkjhgfdsa":          "common",
		"azertyuiopqsdfghjklm":         "common",
		"123456789012345":              "common",
		"987654321098765":              "common",
		"abcdefghijklmnop":             "common",
		"aaaaaaaaaaaaaaaaaaaa":         "common",
		"abcabcabcabcabcabc":           "common",
		"xk7xk7xk7xk7xk7xk7":           "common",
		"!@#$%^&*()_+!@#$":             "common",
		"ๆไำพะัีรนยบลฟหกดเ":              "common",
		"Summer2026Summer2026":           "common",
		"Liverpool1989!!":                "common",
		"iloveyou14021998":               "common",
		"welcome-monkey-2024":            "common",
		"LetMeIn!LetMeIn!":               "common",
		"changeme-september":             "common",
		"ann.smith.ann.smith":            "personal",
		"Ann$m1th20261234":               "personal",
		"BlueLotusTrading1":              "personal",
		"Blue Lotus Trading Co., Ltd.":   "personal",
		"unknownpay-gateway":             "personal",
		"unknown-merchant-2026":          "personal",
		"smith@blue-lotus.example":       "personal",
		"annsmithbluelotuspassword12345": "personal",
	} {
		if got := ruleOf(t, checkPassword(p, ann)); got != want {
			t.Errorf("%q: refused as %q; want %q", p, got, want)
		}
	}
}

func TestSecondFactorAllowsAShorterPassword(t *testing.T) {
	asvs.Covers(t, "6.2.1")
	with := ann
	with.secondFactor = true
	for p, want := range map[string][2]string{ // without, with
		"kT9#vQ2m!xR":    {"short", "short"},
		"kT9#vQ2m!xR7":   {"short", ""},
		"kT9#vQ2m!xR7pL": {"short", ""},
		"Password1234":   {"short", "common"},
	} {
		if got := [2]string{ruleOf(t, checkPassword(p, ann)), ruleOf(t, checkPassword(p, with))}; got != want {
			t.Errorf("%q: %q; want %q", p, got, want)
		}
	}
}

func TestRefusalTellsTheLengthAndNeverThePassword(t *testing.T) {
	const password = "Password12345678"
	if err := checkPassword(password, ann); strings.Contains(err.Error(), password) {
		t.Errorf("the error repeats the password: %v", err)
	}
	var e *controlplane.Error
	if !errors.As(checkPassword("short", ann), &e) || strings.Join(e.Fields[0].Args, " ") != "n 15" || !strings.Contains(e.Error(), "15 characters") {
		t.Errorf("unexpected error: %+v", e)
	}
}

func TestCommonListIsWellFormed(t *testing.T) {
	seen := map[string]bool{}
	for line := range strings.Lines(commonPasswords) {
		word := strings.TrimSuffix(line, "\n")
		if utf8.RuneCountInString(word) < 4 || word != strings.ToLower(strings.TrimSpace(word)) || seen[word] {
			t.Errorf("%q is short, not in lower case, or twice in the list", word)
		}
		seen[word] = true
	}
	if len(seen) < 250 || !strings.HasSuffix(commonPasswords, "\n") {
		t.Errorf("%d words", len(seen))
	}
}

func TestPasswordIsTheSameInEveryUnicodeForm(t *testing.T) {
	asvs.Covers(t, "6.2.8")
	for a, b := range map[string]string{
		"caf\u00e9":      "cafe\u0301",
		"\u0e01\u0e33":   "\u0e01\u0e33",
		"one\u00a0two":   "one two",
		"one\u3000two":   "one two",
		"\u1100\u1161":   "\uac00",
		"no\u0301change": "n\u00f3change",
	} {
		if x, y := normalise(secret(a)).Reveal(), normalise(secret(b)).Reveal(); x != y {
			t.Errorf("%q and %q are hashed as %q and %q", a, b, x, y)
		}
	}
	for _, p := range []string{"K", "\u212b"} { // only canonical equivalence: no case, no compatibility
		if x := normalise(secret(p)).Reveal(); p == "K" && x != "K" {
			t.Errorf("%q became %q", p, x)
		}
	}
	endless := strings.Repeat("x", 1_000_000)
	if normalise(secret(endless)).Reveal() != endless || hashable(secret(endless)) {
		t.Error("endless text is worked on")
	}
}

// Whatever is accepted holds what the rules promise.
func TestAnyAcceptedPasswordKeepsTheRules(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		p := rapid.StringN(0, 140, -1).Draw(r, "password")
		a := about{username: rapid.String().Draw(r, "username"), merchant: rapid.String().Draw(r, "merchant"), secondFactor: rapid.Bool().Draw(r, "2fa")}
		if err := checkPassword(p, a); err != nil {
			ruleOf(t, err)
			return
		}
		n := utf8.RuneCountInString(p)
		if !utf8.ValidString(p) || n > MaxPassword || n < MinPasswordWithSecondFactor || !a.secondFactor && n < MinPassword {
			r.Fatalf("%q was accepted", p)
		}
	})
}

func FuzzCheckPassword(f *testing.F) {
	f.Add("purple lamp tractor ocean", "ann", "Blue Lotus")
	f.Add("İİİİİİİİİİİİİİİİ", "İ", "\xff")
	f.Add("Password12345678", "", "")
	f.Fuzz(func(t *testing.T, password, username, merchant string) {
		ruleOf(t, checkPassword(password, about{username: username, merchant: merchant}))
		normalise(secret(password))
	})
}
