package portal

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

// curlCommands are commands as people paste them; URL is where they lead.
func curlCommands() []string {
	return []string{
		`curl URL/v1/payments`,
		`curl 'URL/v1/payments?b=2&a=1&q=a%20b%2fc'`,
		`curl -X DELETE -H 'X-Unk-Key: unk_test_1' "URL/a"`,
		`curl URL/a -d '{"amount": 1000}' -H 'Content-Type: application/json' -H "X-Unk-Nonce: n"`,
		"curl --request POST \\\n  --url URL/v1/payments \\\n  --header 'accept: application/json' \\\n  --data-binary $'{\\n  \"note\": \"it\\'s caf\\u00e9\\x21\\t\\101\"\\n}\\n'",
		`curl URL/a -d a=1 -d b=2 --data-raw @c`,
		`curl -sSXPUT URL/a -da=1`,
		`curl -G URL/a -d q=1 -d r=2`,
		`curl -G 'URL/a?x=1' --data q=1`,
		`curl -sI URL/a`,
		`curl --json '{"a":1}' URL/a`,
		`curl --json '{"a":1}' --json ',2' -H 'Content-Type: text/plain' URL/a`,
		"curl URL/a -d 'line one\nline two'",
		`curl URL/a -d "a\"b\\c\$d e$ \n"`,
		`curl URL/a -d a\ b\'c`,
		`curl URL/a -d ''`,
		`curl URL -d x # a comment`,
		`curl 'URL?a=1#fragment'`,
		`curl URL/a/../b --path-as-is`,
		`curl -g 'URL/a?x[]={1}'`,
		`curl URL/a -A agent -e https://referer.example -b 'c=1' -u 'name:pass' -o /dev/null`,
		`curl URL/a -H 'X-Empty;' -H 'X-Twice: 1' -H 'X-Twice: 2' -H 'Accept:'`,
		`curl URL/a -m 5 --compressed -k -L; echo done`,
		`curl URL/a | cat`,
		`curl URL/a > /dev/null`,
		`  curl   URL/a   `,
	}
}

// sentRequest is a request as a server got it.
type sentRequest struct {
	method, target, host, body string
	header                     http.Header
}

// TestCurlIsReadAsCurlSends runs each command in bash with curl itself, and compares
// what arrives with what the page reads.
func TestCurlIsReadAsCurlSends(t *testing.T) {
	var got []sentRequest
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		got = append(got, sentRequest{r.Method, r.RequestURI, r.Host, string(body), r.Header})
	}))
	defer server.Close()
	for _, command := range curlCommands() {
		command = strings.ReplaceAll(command, "URL", server.URL)
		got = nil
		if out, err := exec.CommandContext(t.Context(), "bash", "-c", command).CombinedOutput(); err != nil || len(got) != 1 {
			t.Fatalf("%s: %v, %d requests\n%s", command, err, len(got), out)
		}
		p, err := parseCurl(command)
		if err != nil {
			t.Errorf("%s: %v", command, err)
			continue
		}
		compareSent(t, command, p, got[0])
	}
}

func compareSent(t *testing.T, command string, p pasted, got sentRequest) {
	t.Helper()
	in, err := p.check("mer_1", controlplane.Test)
	if err != nil {
		t.Errorf("%s: %v", command, err)
		return
	}
	if in.Method != got.method || in.Target != got.target || in.Host != got.host || string(in.Body) != got.body || in.Scheme != "http" {
		t.Errorf("%s: read as %q; sent was %q", command, []string{in.Method, in.Target, in.Host, string(in.Body)}, []string{got.method, got.target, got.host, got.body})
	}
	read := http.Header{}
	for _, h := range in.Headers {
		read.Add(h.Name, h.Value)
	}
	for name, values := range read {
		if !slices.Equal(values, got.header[name]) {
			t.Errorf("%s: header %s is read as %q; sent was %q", command, name, values, got.header[name])
		}
	}
	for name := range got.header {
		own := slices.Contains([]string{"Accept", "User-Agent", "Content-Length", "Accept-Encoding", "Authorization"}, name)
		if !own && read[name] == nil {
			t.Errorf("%s: header %s was sent and not read", command, name)
		}
	}
}

func TestCommandsThatCannotBeKnownAreExplained(t *testing.T) {
	for command, want := range map[string]pasteProblem{
		``:                                    {"not_curl", 1},
		`wget https://a.example`:              {"not_curl", 1},
		`curl`:                                {"urls", 1},
		`curl https://a.example https://b.ex`: {"urls", 3},
		`curl 'https://a.example`:             {"quote", 2},
		`curl "https://a.example`:             {"quote", 2},
		`curl $'https://a.example`:            {"quote", 2},
		`curl "$URL"`:                         {"expansion", 2},
		`curl $URL`:                           {"expansion", 2},
		`curl https://a.example -H "X: $(x)"`: {"expansion", 4},
		"curl `x`":                            {"expansion", 2},
		`curl a.example -d @body.json`:        {"file", 4},
		`curl a.example --data-binary @-`:     {"file", 4},
		`curl a.example -H @headers`:          {"file", 4},
		`curl a.example -T file`:              {"file", 4},
		`curl a.example -b jar`:               {"file", 4},
		`curl -K config`:                      {"file", 3},
		`curl a.example -F a=b`:               {"form", 4},
		`curl a.example --data-urlencode a`:   {"encoded", 4},
		`curl a.example --no-such-thing`:      {"unknown_option", 3},
		`curl a.example -sZ`:                  {"unknown_option", 3},
		`curl a.example -H`:                   {"missing_value", 3},
		`curl a.example -H nonsense`:          {"header", 4},
		`curl a.example/x/../y`:               {"rewritten", 0},
		`curl 'a.example/x?y[1]'`:             {"rewritten", 0},
		`curl ftp://a.example`:                {"url", 0},
		`curl https://user:pass@a.example`:    {"url", 0},
		`curl 'https://a.example/a b'`:        {"url", 0},
	} {
		_, err := parseCurl(command)
		var p *pasteProblem
		if !errors.As(err, &p) || *p != want {
			t.Errorf("%s: %v, want %v", command, err, want)
		}
	}
}

// FuzzCurl holds that no text upsets the reading, that what is refused has a text of
// the catalogue, and that what is read is a request that could be sent.
func FuzzCurl(f *testing.F) {
	for _, command := range curlCommands() {
		f.Add(strings.ReplaceAll(command, "URL", "https://api.example.com"))
	}
	f.Add("curl $'\\u' \"\\")
	f.Add("curl -")
	texts := loadTexts(f)
	f.Fuzz(func(t *testing.T, command string) {
		p, err := parseCurl(command)
		var wrong *pasteProblem
		if errors.As(err, &wrong) {
			if _, found := texts["signature.wrong."+wrong.key]; !found {
				t.Fatalf("no text for %q", wrong.key)
			}
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		in, err := p.check("mer_1", controlplane.Test)
		if err != nil || in.Host == "" && len(p.Headers) == 0 || !strings.HasPrefix(in.Target, "/") || in.Method == "" {
			t.Fatalf("%+v %v", in, err)
		}
	})
}

func loadTexts(tb testing.TB) map[string]string {
	tb.Helper()
	w := newWorld(tb)
	return w.handler.(*portal).texts.languages[0].texts
}
