package signature_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/unknownpay/merchant-gateway/controlplane/signature"
	"pgregory.net/rapid"
)

func codeOf(err error) signature.Code {
	var e *signature.Error
	if !errors.As(err, &e) {
		return ""
	}
	return e.Code
}

var unk1Headers = []string{
	signature.HeaderKey, signature.HeaderTimestamp, signature.HeaderNonce, signature.HeaderSignature,
}

func TestParseReadsTheFourHeaders(t *testing.T) {
	c := loadUNK1(t).Cases[3]
	for keyID, env := range map[string]signature.Environment{
		testKeyID:                         signature.Test,
		"unk_live_0000000000000000000000": signature.Live,
	} {
		got, err := signature.Parse(c.header(keyID))
		if err != nil {
			t.Fatal(err)
		}
		if got.Scheme != signature.UNK1 || got.KeyID != keyID || got.Environment != env ||
			got.Timestamp != "1767225600" || got.Created != 1767225600 || got.Nonce != c.Nonce ||
			signature.FormatMAC(got.MAC) != c.Signature {
			t.Errorf("parsed %+v", got)
		}
	}
}

func TestParseWithoutAuthHeadersAsksForThem(t *testing.T) {
	for name, h := range map[string]http.Header{
		"nil":                  nil,
		"unrelated":            {"Accept": {"*/*"}},
		"keys without a value": {signature.HeaderKey: nil},
	} {
		if _, err := signature.Parse(h); codeOf(err) != signature.CodeAuthRequired {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestParseNamesTheHeaderAtFault(t *testing.T) {
	const hex64 = "8de924547439f0311f28d2a33b80599f90a9fff3a79934132692ad5455011b4f"
	for _, c := range []struct{ name, header, value, says string }{
		{"empty key", signature.HeaderKey, "", "22 letters or digits"},
		{"short key", signature.HeaderKey, testKeyID[:30], "22 letters or digits"},
		{"long key", signature.HeaderKey, testKeyID + "a", "22 letters or digits"},
		{"key with a dash", signature.HeaderKey, testKeyID[:30] + "-", "22 letters or digits"},
		{"key of another prefix", signature.HeaderKey, "unk_prod_4f9K2mQ7xR1cT8bW3nLzVa", "unk_live_"},
		{"key in upper case", signature.HeaderKey, "UNK_test_4f9K2mQ7xR1cT8bW3nLzVa", "unk_live_"},
		{"secret in place of the key", signature.HeaderKey, testSecret, "rotate"},
		{"key with a space", signature.HeaderKey, testKeyID + " ", "22 letters"},
		{"two keys in one line", signature.HeaderKey, testKeyID + ", " + testKeyID, "22 letters"},
		{"short nonce", signature.HeaderNonce, "123456789012345", "16 to 64"},
		{"long nonce", signature.HeaderNonce, strings.Repeat("n", 65), "16 to 64"},
		{"nonce with a dot", signature.HeaderNonce, "1234567890123456.", "16 to 64"},
		{"nonce beyond ASCII", signature.HeaderNonce, "123456789012345é", "16 to 64"},
		{"bare signature", signature.HeaderSignature, hex64, "v1= is missing"},
		{"other version", signature.HeaderSignature, "v2=" + hex64, "v1="},
		{"upper-case hex", signature.HeaderSignature, "v1=" + strings.ToUpper(hex64), "upper-case"},
		{"upper-case V", signature.HeaderSignature, "V1=" + hex64, "v1="},
		{"base64", signature.HeaderSignature, "v1=5JMWOBxzyA6op+LjVzUB30N8/dc/3JowYTnKg37GTqY=", "base64"},
		{"base64url", signature.HeaderSignature, "5JMWOBxzyA6op-LjVzUB30N8_dc_3JowYTnKg37GTqY", "base64"},
		{"short hex", signature.HeaderSignature, "v1=" + hex64[:62], "64 lower-case"},
		{"not hex", signature.HeaderSignature, "v1=" + hex64[:63] + "g", "64 lower-case"},
		{"not hex in a high digit", signature.HeaderSignature, "v1=G" + hex64[:63], "64 lower-case"},
		{"empty signature", signature.HeaderSignature, "", "64 lower-case"},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := parseWith(t, c.header, c.value)
			if e.Code != signature.CodeAuthMalformed || e.Header != c.header || e.Reason != signature.ReasonSyntax ||
				!strings.Contains(e.Message, c.says) || !strings.Contains(e.Error(), string(e.Code)) {
				t.Errorf("%+v, want %s and %q", e, c.header, c.says)
			}
			if c.value != "" && strings.Contains(e.Error(), c.value) {
				t.Errorf("the message quotes the request: %s", e.Message)
			}
		})
	}
}

func parseWith(t *testing.T, header, value string) *signature.Error {
	t.Helper()
	h := loadUNK1(t).Cases[0].header(testKeyID)
	h[header] = []string{value}
	_, err := signature.Parse(h)
	var e *signature.Error
	if !errors.As(err, &e) {
		t.Fatalf("error %v", err)
	}
	return e
}

func TestParseNamesTheUsualTimestampMistakes(t *testing.T) {
	for value, says := range map[string]string{
		"1767225600000":                 "milliseconds",
		"1767225600000000":              "nanoseconds",
		"1767225600000000000":           "nanoseconds",
		"2026-01-01T00:00:00Z":          "ISO 8601",
		"2026-01-01":                    "ISO 8601",
		"Thu, 01 Jan 2026 00:00:00 GMT": "HTTP date",
		"1767225600.123":                "fraction",
		"176722560":                     "ten digits",
		"17672256000":                   "ten digits",
		"+176722560":                    "ten digits",
		"-176722560":                    "ten digits",
		"0x69559100":                    "ten digits",
		"":                              "ten digits",
		"१७६७२२५६००":                    "ten digits",
	} {
		e := parseWith(t, signature.HeaderTimestamp, value)
		if e.Code != signature.CodeTimestampInvalid || e.Header != signature.HeaderTimestamp || !strings.Contains(e.Message, says) {
			t.Errorf("%q: %+v, want %q", value, e, says)
		}
	}
}

func TestParseRefusesMixedSchemes(t *testing.T) {
	for _, header := range []string{"Signature", "Signature-Input"} {
		h := loadUNK1(t).Cases[0].header(testKeyID)
		h[header] = []string{"sig=:AA==:"}
		_, err := signature.Parse(h)
		var e *signature.Error
		if !errors.As(err, &e) || e.Code != signature.CodeAuthMalformed || e.Reason != signature.ReasonMixed {
			t.Errorf("%s: %v", header, err)
		}
	}
}

func TestParseRefusesAnyDroppedOrDoubledHeader(t *testing.T) {
	for _, name := range unk1Headers {
		h := loadUNK1(t).Cases[0].header(testKeyID)
		h[name] = append(h[name], h[name][0])
		wantReason(t, h, name, signature.ReasonRepeated)
		delete(h, name)
		wantReason(t, h, name, signature.ReasonMissing)
	}
}

func wantReason(t *testing.T, h http.Header, name string, reason signature.Reason) {
	t.Helper()
	_, err := signature.Parse(h)
	var e *signature.Error
	if !errors.As(err, &e) || e.Code != signature.CodeAuthMalformed || e.Header != name || e.Reason != reason {
		t.Errorf("%s %s: %v", name, reason, err)
	}
}

// Any one byte of anything signed, replaced by any other, is refused: in the
// headers by Parse or by the MAC, elsewhere by the MAC.
func TestAnyOtherByteIsRefused(t *testing.T) {
	v := loadUNK1(t)
	k := mustKey(t, v.Secret)
	rapid.Check(t, func(t *rapid.T) {
		c := v.Cases[rapid.IntRange(0, len(v.Cases)-1).Draw(t, "case")]
		h, r := c.header(v.KeyID), c.request()
		parts := []*string{&r.Method, &r.Host, &r.Target}
		for _, name := range unk1Headers {
			parts = append(parts, &h[name][0])
		}
		if i := rapid.IntRange(0, len(parts)).Draw(t, "part"); i < len(parts) {
			*parts[i] = otherByte(t, *parts[i])
		} else {
			r.Body.SHA256[rapid.IntRange(0, 31).Draw(t, "at")] ^= rapid.ByteRange(1, 255).Draw(t, "xor")
		}
		creds, err := signature.Parse(h)
		if err == nil && creds.KeyID == v.KeyID { // another key id is another key
			err = creds.Verify(k, &r)
		} else if err == nil {
			err = creds.Verify(mustOtherKey(), &r)
		}
		if err == nil {
			t.Fatalf("accepted %v %+v", h, r)
		}
	})
}

func mustOtherKey() *signature.MACKey {
	return &signature.MACKey{1}
}

func otherByte(t *rapid.T, s string) string {
	b := []byte(s)
	b[rapid.IntRange(0, len(b)-1).Draw(t, "at")] ^= rapid.ByteRange(1, 255).Draw(t, "xor")
	return string(b)
}

func TestDifferentMessagesHaveDifferentStrings(t *testing.T) {
	field := rapid.StringMatching(`[a-zA-Z0-9/?=&._-]{0,6}`)
	draw := func(t *rapid.T, label string) signature.Message {
		return signature.Message{
			Timestamp: field.Draw(t, label+"timestamp"), Nonce: field.Draw(t, label+"nonce"),
			Method: field.Draw(t, label+"method"), Host: field.Draw(t, label+"host"), Target: field.Draw(t, label+"target"),
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		a, b := draw(t, "a "), draw(t, "b ")
		if same := string(a.AppendStringToSign(nil)) == string(b.AppendStringToSign(nil)); same != (a == b) {
			t.Fatalf("%+v and %+v: same string %v", a, b, same)
		}
	})
}

func TestEnvironmentOf(t *testing.T) {
	for id, want := range map[string]signature.Environment{
		testKeyID:                         signature.Test,
		"unk_live_4f9K2mQ7xR1cT8bW3nLzVa": signature.Live,
		"unk_demo_4f9K2mQ7xR1cT8bW3nLzVa": "",
		"unk_test_4f9K2mQ7xR1cT8bW3nLzV_": "",
		"":                                "",
	} {
		if got, ok := signature.EnvironmentOf(id); got != want || ok != (want != "") {
			t.Errorf("EnvironmentOf(%q) = %q, %v", id, got, ok)
		}
	}
}

func TestSchemeNames(t *testing.T) {
	if signature.UNK1.String() != "UNK1" || signature.RFC9421.String() != "RFC9421" || signature.Scheme(0).String() != "unknown" {
		t.Error("a scheme has another name")
	}
}
