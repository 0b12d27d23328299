package structure

import (
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"

	"github.com/unknownpay/merchant-gateway/clients"
)

const samplesPage = "docs/samples.md"

// TestSamplesPageHoldsTheSamples compares the page with the files that the tests
// run. UPDATE_SCRIPTS=1 writes it anew.
func TestSamplesPageHoldsTheSamples(t *testing.T) {
	const reason = "what merchants copy from the page must be what was run against the gateway"
	want := samplesText(t)
	if os.Getenv("UPDATE_SCRIPTS") != "" {
		if err := os.WriteFile(filepath.Join(root, samplesPage), []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if read(t, samplesPage) != want {
		t.Errorf("%s differs from clients/: write it anew with UPDATE_SCRIPTS=1 go test ./tests/structure/; because: %s", samplesPage, reason)
	}
}

func samplesText(t *testing.T) string {
	t.Helper()
	var b strings.Builder
	b.WriteString(`# Samples

<!-- Made from the files in clients/ by TestSamplesPageHoldsTheSamples. -->

One file per language, without dependencies: copy it. Each signs requests as [signing.md](signing.md) says and verifies webhooks as
[webhooks.md](webhooks.md) says. Beside it lie a program that calls the API, a receiver of webhooks, and a README. The tests of the gateway run them all.
`)
	for _, l := range clients.Languages() {
		text, err := l.Source()
		if err != nil {
			t.Fatal(err)
		}
		file := "clients/" + l.Dir + "/" + l.Sample
		fence := strings.TrimPrefix(path.Ext(l.Sample), ".")
		b.WriteString("\n## " + l.Name + "\n\n[" + file + "](../" + file + "), [how to use it](../clients/" + l.Dir + "/README.md)\n\n```" + fence + "\n" + strings.TrimRight(text, "\n") + "\n```\n")
	}
	return b.String()
}
