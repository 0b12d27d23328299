package controlplane_test

import (
	"bytes"
	"encoding/gob"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"text/template"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	. "github.com/unknownpay/merchant-gateway/controlplane"
)

const canary = "canary-4f1c9b"

// holders are shapes in which a secret may reach a printer. That of an unexported
// field is the one that fmt prints without asking.
func holders() map[string]any {
	s := NewSecret(canary)
	type hidden struct{ secret Secret }
	type embedded struct{ Secret }
	return map[string]any{
		"value": s, "pointer": &s, "unexported field": hidden{s}, "pointer to struct": &hidden{s}, "embedded": embedded{s},
		"slice": []Secret{s}, "array": [1]Secret{s}, "map value": map[string]Secret{"k": s}, "map key": map[Secret]string{s: "v"},
		"interface": []any{s, &s, hidden{s}}, "deep": map[string]any{"a": []any{map[string]hidden{"b": {s}}}},
		"account": NewAccount{InitialPassword: s}, "key": IssuedKey{Secret: s}, "user": User{Password: Password{Hash: s}},
		"error": fmt.Errorf("wrapped %v and %v", s, hidden{s}),
	}
}

func TestSecretIsNotPrinted(t *testing.T) {
	hex := fmt.Sprintf("%x", canary)
	for name, v := range holders() {
		for _, verb := range strings.Fields("%v %+v %#v %s %q %x %X %#x %d %o %b %c %U %e %t %p %T %10v %-10s %.3s %+q") {
			out := fmt.Sprintf(verb, v)
			if strings.Contains(out, canary) || strings.Contains(strings.ToLower(out), hex) || strings.Contains(out, canary[:6]) {
				t.Errorf("%s through %s: %s", name, verb, out)
			}
		}
		if out := fmt.Sprint(v) + fmt.Sprintln(v); strings.Contains(out, canary) {
			t.Errorf("%s through Print: %s", name, out)
		}
	}
	if got := fmt.Sprintf("%v %s %#v", NewSecret(canary), NewSecret(canary), NewSecret("")); got != "[redacted] [redacted] [redacted]" {
		t.Errorf("got %s", got)
	}
}

func TestSecretIsNotEncoded(t *testing.T) {
	encoders := map[string]func(any) ([]byte, error){
		"json": json.Marshal,
		"xml":  xml.Marshal,
		"gob": func(v any) ([]byte, error) {
			var b bytes.Buffer
			err := gob.NewEncoder(&b).Encode(v)
			return b.Bytes(), err
		},
		"template": func(v any) ([]byte, error) {
			var b bytes.Buffer
			err := template.Must(template.New("").Parse(`{{.}} {{printf "%#v" .}}`)).Execute(&b, v)
			return b.Bytes(), err
		},
	}
	for name, v := range holders() {
		for how, encode := range encoders {
			out, err := encode(v) // that some shapes cannot be encoded is fine
			if bytes.Contains(out, []byte(canary)) || err != nil && strings.Contains(err.Error(), canary) {
				t.Errorf("%s through %s: %s, %v", name, how, out, err)
			}
		}
	}
}

func TestSecretIsNotLogged(t *testing.T) {
	var b bytes.Buffer
	logs := map[string]func(any){
		"slog text": func(v any) { slog.New(slog.NewTextHandler(&b, nil)).Info("m", "v", v) },
		"slog json": func(v any) { slog.New(slog.NewJSONHandler(&b, nil)).Info("m", "v", v, slog.Group("g", "v", v)) },
		"zap json":  func(v any) { zapTo(&b, zapcore.NewJSONEncoder).Info("m", zap.Any("v", v), zap.Reflect("r", v)) },
		"zap console": func(v any) {
			zapTo(&b, zapcore.NewConsoleEncoder).Info("m", zap.Any("v", v), zap.Reflect("r", v))
		},
		"zap sugar": func(v any) { zapTo(&b, zapcore.NewJSONEncoder).Sugar().Infow("m", "v", v, "text", fmt.Sprint(v)) },
	}
	for name, v := range holders() {
		for how, log := range logs {
			b.Reset()
			log(v)
			if strings.Contains(b.String(), canary) {
				t.Errorf("%s through %s: %s", name, how, b.String())
			}
		}
	}
	b.Reset()
	s := NewSecret(canary)
	zapTo(&b, zapcore.NewJSONEncoder).Info("m", zap.Stringer("v", s))
	if !strings.Contains(b.String(), `"v":"[redacted]"`) {
		t.Errorf("got %s", b.String())
	}
}

func zapTo(b *bytes.Buffer, encoder func(zapcore.EncoderConfig) zapcore.Encoder) *zap.Logger {
	return zap.New(zapcore.NewCore(encoder(zap.NewProductionEncoderConfig()), zapcore.AddSync(b), zapcore.DebugLevel))
}

func TestSecretReveals(t *testing.T) {
	if s := NewSecret(canary); s.Reveal() != canary || s.IsZero() {
		t.Error("a secret is not what it was made of")
	}
	if (Secret{}).Reveal() != "" || !(Secret{}).IsZero() || !NewSecret("").IsZero() {
		t.Error("no secret is something")
	}
}

func TestSecretFormCatchesTypingMistakes(t *testing.T) {
	w := newWorld(t)
	secret := w.key(w.merchant("Shop").ID, Live).Secret.Reveal()
	if !SecretLooksRight(secret) {
		t.Fatal("an issued secret does not look right")
	}
	for i := range secret {
		for _, c := range []byte("0zZ_- \n\x00") {
			if wrong := secret[:i] + string(c) + secret[i+1:]; wrong != secret && SecretLooksRight(wrong) {
				t.Errorf("a mistake in character %d goes unnoticed", i)
			}
		}
		if SecretLooksRight(secret[:i]) || SecretLooksRight(secret[:i]+secret[i+1:]) {
			t.Errorf("a missing character %d goes unnoticed", i)
		}
	}
	if SecretLooksRight(secret+"0") || SecretLooksRight(" "+secret) || SecretLooksRight(strings.ToUpper(secret)) {
		t.Error("a longer or upper-case text looks right")
	}
}

func FuzzSecretLooksRight(f *testing.F) {
	f.Add("")
	f.Add("unks_")
	f.Add("unks_live_" + strings.Repeat("0", 49))
	f.Add("unks_test_" + strings.Repeat("z", 49))
	f.Add("unks_prod_" + strings.Repeat("A", 49))
	f.Fuzz(func(t *testing.T, text string) {
		if !SecretLooksRight(text) {
			return
		}
		if len(text) != 59 || strings.Trim(text[10:], "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz") != "" {
			t.Fatalf("%q looks right", text)
		}
	})
}
