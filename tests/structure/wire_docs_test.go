package structure

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/unknownpay/merchant-gateway/caddymodule/gate"
)

func TestErrorsAreDocumented(t *testing.T) {
	const reason = "doc_url of a refusal leads here, and what it says is what the gateway does"
	if !strings.HasSuffix(gate.DefaultDocPage, "/"+errorsPage) {
		t.Errorf("doc_url leads to %s, the codes are in %s; because: %s", gate.DefaultDocPage, errorsPage, reason)
	}
	sections := errorSections(t)
	readme := read(t, "README.md")
	for _, info := range gate.Codes() {
		code := string(info.Code)
		section, ok := sections[code]
		if !ok {
			t.Errorf("docs/errors.md has no section %s; because: %s", code, reason)
			continue
		}
		for _, want := range []string{fmt.Sprintf("HTTP %d. %s", info.Status, info.When), "**" + info.Remedy + "**"} {
			if !strings.Contains(section, want) {
				t.Errorf("docs/errors.md, %s: want %q, as in gate.Codes; because: %s", code, want, reason)
			}
		}
		delete(sections, code)
		row := fmt.Sprintf("| [`%s`](docs/errors.md#%s) | %d | %s |", code, strings.ToLower(code), info.Status, info.When)
		if !strings.Contains(readme, row) {
			t.Errorf("README.md has no row %q; because: %s", row, reason)
		}
	}
	for code := range sections {
		t.Errorf("docs/errors.md describes %s, which the gateway never answers; because: %s", code, reason)
	}
}

// A merchant's developer makes the worked example a test of their own code.
func TestWorkedExampleIsTheVector(t *testing.T) {
	var vectors struct {
		KeyID  string `json:"key_id"`
		Secret string
		Cases  []struct {
			Name         string
			StringToSign string `json:"string_to_sign"`
			Signature    string
		}
	}
	const folder = "controlplane/signature/testdata/"
	if err := json.Unmarshal([]byte(read(t, folder+"unk1.json")), &vectors); err != nil {
		t.Fatal(err)
	}
	page, first := read(t, "docs/signing.md"), vectors.Cases[0]
	for _, want := range []string{vectors.KeyID, vectors.Secret, "```\n" + first.StringToSign + "\n```", "X-Unk-Signature: " + first.Signature + "\n"} {
		if !strings.Contains(page, want) {
			t.Errorf("docs/signing.md: want %q, of the case %s in %s", want, first.Name, folder)
		}
	}
}

func TestWorkedExampleOfRFC9421IsTheVector(t *testing.T) {
	var vectors struct {
		Cases []struct {
			Headers        map[string]string
			SignatureInput string `json:"signature_input"`
			Signature      string
			SignatureBase  string `json:"signature_base"`
		}
	}
	const file = "controlplane/signature/testdata/rfc9421.json"
	if err := json.Unmarshal([]byte(read(t, file)), &vectors); err != nil {
		t.Fatal(err)
	}
	page, profile := read(t, "docs/signing.md"), vectors.Cases[1]
	for _, want := range []string{
		"```\n" + profile.SignatureBase + "\n```", "Content-Digest: " + profile.Headers["Content-Digest"] + "\n",
		"Signature-Input: " + profile.SignatureInput + "\n", "Signature: " + profile.Signature + "\n",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("docs/signing.md: want %q, of %s", want, file)
		}
	}
}

func TestWorkedExampleOfWebhooksIsSigned(t *testing.T) {
	page := read(t, "docs/webhooks.md")
	find := func(pattern string) string {
		m := regexp.MustCompile(pattern).FindStringSubmatch(page)
		if m == nil {
			t.Fatalf("docs/webhooks.md has nothing like %s", pattern)
		}
		return m[1]
	}
	key, err := base64.StdEncoding.DecodeString(find("`whsec_([^`]+)`: make it a test"))
	if err != nil {
		t.Fatal(err)
	}
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(find(`(?m)^webhook-id: (.*)$`) + "." + find(`(?m)^webhook-timestamp: (.*)$`) + "." + find(`(?m)^(\{"type":.*\})$`)))
	if want := "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil)); find(`(?m)^webhook-signature: (.*)$`) != want {
		t.Errorf("docs/webhooks.md: the example's signature should be %s", want)
	}
}

const errorsPage = "docs/errors.md"

// errorSections maps the codes that docs/errors.md describes to what it says.
func errorSections(t *testing.T) map[string]string {
	t.Helper()
	sections := map[string]string{}
	heading := regexp.MustCompile(`^([A-Z_]+)\n`)
	for _, part := range strings.Split(read(t, errorsPage), "\n## ")[1:] {
		if m := heading.FindStringSubmatch(part); m != nil {
			sections[m[1]] = part
		}
	}
	return sections
}

func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
