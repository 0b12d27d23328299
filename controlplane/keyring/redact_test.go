package keyring

import (
	"bytes"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// canaries are all forms in which a key could show.
func canaries(keys ...[]byte) []string {
	var out []string
	for _, k := range keys {
		out = append(out,
			string(k[:8]), string(k[20:28]),
			hex.EncodeToString(k[:8]), strings.ToUpper(hex.EncodeToString(k[:8])),
			base64.StdEncoding.EncodeToString(k)[:12], base64.URLEncoding.EncodeToString(k)[:12],
			strings.Trim(fmt.Sprint(k[:6]), "[]"), strings.TrimSuffix(strings.TrimPrefix(fmt.Sprintf("%#v", k[:4]), "[]byte{"), "}"),
		)
	}
	return out
}

func wantClean(t *testing.T, canaries []string, what, text string) {
	t.Helper()
	for _, c := range canaries {
		if strings.Contains(text, c) {
			t.Errorf("%s shows %q in %q", what, c, text)
		}
	}
}

func canaryKey() []byte {
	key := make([]byte, keySize)
	for i := range key {
		key[i] = byte(0x91 + 7*i)
	}
	return key
}

func canaryRing(t *testing.T) (*Root, *Ring, []WrappedKey, []string) {
	t.Helper()
	key := canaryKey()
	root, err := newRoot(key)
	if err != nil {
		t.Fatal(err)
	}
	r, keys := testRing(t, root, "api")
	dataKey, err := root.unwrap(keys[0])
	if err != nil {
		t.Fatal(err)
	}
	kek, err := hkdf.Key(sha256.New, key, nil, labelKEK, keySize)
	if err != nil {
		t.Fatal(err)
	}
	return root, r, keys, canaries(key, dataKey, kek)
}

func TestNoFormattingShowsAKey(t *testing.T) {
	root, r, keys, canaries := canaryRing(t)
	type holder struct {
		root  *Root
		value Root
		ring  *Ring
		Root  *Root
		keys  *keySet
	}
	set := r.keys.Load()
	all := []any{root, *root, r, set, set.byID[1], holder{root, *root, r, root, set}, []*Root{root}, map[string]any{"a": root}, r.Status(), keys}
	for _, v := range all {
		for _, verb := range "vsqxXdobtTpceEfFgGUw" {
			for _, flags := range []string{"", "+", "#", " ", "-80"} {
				wantClean(t, canaries, "verb "+flags+string(verb), fmt.Sprintf("%"+flags+string(verb), v))
			}
		}
	}
	for _, s := range []string{fmt.Sprint(root), fmt.Sprintf("%x", *root), fmt.Sprintf("%#v", r), root.String()} {
		if s != redactedText {
			t.Errorf("prints %q", s)
		}
	}
	var none *Root
	wantClean(t, canaries, "nil", fmt.Sprintf("%v%s", none, none.ID()))
}

func TestNoEncodingOrLogShowsAKey(t *testing.T) {
	root, r, _, canaries := canaryRing(t)
	for _, v := range []any{root, *root, r, struct{ Root *Root }{root}, map[string]*Root{"a": root}} {
		if b, err := json.Marshal(v); err != nil || !bytes.Contains(b, []byte(redactedText)) {
			t.Errorf("json %s, %v", b, err)
		}
	}
	if b, err := xml.Marshal(root); err != nil || !bytes.Contains(b, []byte(redactedText)) {
		t.Errorf("xml %s, %v", b, err)
	}
	var out bytes.Buffer
	slog.New(slog.NewTextHandler(&out, nil)).Info("x", "root", root, "value", *root, "ring", r)
	slog.New(slog.NewJSONHandler(&out, nil)).Info("x", "root", root, "value", *root, "ring", r)
	core := zapcore.NewCore(zapcore.NewJSONEncoder(zap.NewProductionEncoderConfig()), zapcore.AddSync(&out), zap.DebugLevel)
	zap.New(core).Info("x", zap.Any("root", root), zap.Reflect("root", root), zap.Stringer("root", r), zap.Any("value", *root), zap.Any("all", map[string]any{"r": r}))
	zap.New(core).Sugar().Infow("x", "root", root, "ring", r)
	wantClean(t, canaries, "log", out.String())
	if n := strings.Count(out.String(), redactedText); n != 13 {
		t.Errorf("redacted %d times, want 13: %s", n, out.String())
	}
}

func TestNoErrorShowsAKey(t *testing.T) {
	root, r, keys, canaries := canaryRing(t)
	text := base64.StdEncoding.EncodeToString(canaryKey())
	check := func(what string, err error) {
		t.Helper()
		if err == nil {
			t.Errorf("%s: no error", what)
			return
		}
		wantClean(t, canaries, what, fmt.Sprintf("%v %+v %#v", err, err, err))
	}
	path := rootPath(t)
	for _, bad := range []string{text[:43], text[:43] + "!", text + text, text[:42] + "$=", string(canaryKey()), hex.EncodeToString(canaryKey())} {
		_, err := parseRoot([]byte(bad))
		check("content", err)
	}
	writeRoot(t, path, text, 0o644)
	_, err := LoadRoot(path)
	check("mode", err)
	_, err = FindRoot(path, goldenID)
	check("find", err)
	_, err = CreateRoot(rootPath(t), bytes.NewReader(canaryKey()[:31]))
	check("short", err)
	_, err = CreateRoot(path, bytes.NewReader(canaryKey()))
	check("exists", err)
	_, err = Open(testRoot(t, 1), keys)
	check("open", err)
	_, err = Rewrap(root, testRoot(t, 1), []WrappedKey{{RootID: root.ID(), Wrapped: canaryKey()}})
	check("rewrap", err)
	check("add", r.Add(keys[0]))
	check("drop", r.Drop(keys[0].ID))
	_, err = r.Seal("none", canaryKey(), canaryKey())
	check("seal", err)
	rec := mustSeal(t, r, "api", "row", string(canaryKey()))
	for _, bad := range [][]byte{rec, rec[:20], flip(rec, 1), canaryKey()} {
		_, err = r.Unseal("api", canaryKey(), bad)
		check("unseal", err)
	}
}
