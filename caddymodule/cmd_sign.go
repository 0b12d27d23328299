package caddymodule

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/unknownpay/merchant-gateway/controlplane"
	"github.com/unknownpay/merchant-gateway/controlplane/signature"
)

// signFlags are what "sign" is asked for.
type signFlags struct {
	key, secretFile, data, dataFile string
	scheme                          string
	headers                         []string
	curl                            bool
}

// The values of --scheme.
const (
	schemeUNK1     = "unk1"
	schemeStandard = "rfc9421"
)

func signCommand() *cobra.Command {
	var f signFlags
	cmd := &cobra.Command{
		Use: "sign --key <id> --secret-file <file> <method> <url>", Short: "Signs a request, offline",
		Long: `Signs a request with an API key, for trying things out and for finding mistakes,
and prints the headers to send, or with --curl the whole command line. It needs
neither server nor configuration.

The secret is read from a file, or from standard input with "-": on the command
line it would be in the history of the shell and visible to other users.

The gateway accepts two schemes, with the same secret: the four X-Unk-* headers
(unk1), and HTTP Message Signatures with Content-Digest (rfc9421).

A signature can be used once, and within five minutes. The body must be sent as
it was signed, byte for byte: --data text, --data @file, or --data-file file.
Unlike curl's, --data @file keeps line breaks.`,
		Example: `  $ caddy merchants sign --key unk_test_… --secret-file secret GET https://api.example.com/v1/balance
  $ caddy merchants sign --key unk_test_… --secret-file - --curl -d '{"amount":100}' POST https://api.example.com/v1/payments < secret
  $ caddy merchants sign --key unk_test_… --secret-file secret --scheme rfc9421 -d '{"amount":100}' POST https://api.example.com/v1/payments`,
		Args: signArguments,
	}
	cmd.Flags().StringVarP(&f.key, "key", "k", "", "Id of the key (unk_live_… or unk_test_…)")
	cmd.Flags().StringVar(&f.secretFile, "secret-file", "", `File with the secret of the key, or "-" for standard input`)
	cmd.Flags().StringVar(&f.scheme, "scheme", schemeUNK1, "unk1, or rfc9421")
	cmd.Flags().StringVarP(&f.data, "data", "d", "", `Body, or "@file" to read it from a file, "@-" from standard input`)
	cmd.Flags().StringVar(&f.dataFile, "data-file", "", "File to read the body from")
	cmd.Flags().StringArrayVarP(&f.headers, "header", "H", nil, `Another header of the request, such as "Host: api.example.com"; may be repeated`)
	cmd.Flags().BoolVar(&f.curl, "curl", false, "Print a curl command line")
	return plainLeaf(cmd, new(session), []string{"key", "secret-file"}, func(s *session) error {
		req, err := s.sign(f)
		if err != nil {
			return err
		}
		if f.curl && !s.json {
			_, err = fmt.Fprintln(s.cmd.OutOrStdout(), req.Curl)
			return err
		}
		return printOwn(s, req, showSigned)
	})
}

func signArguments(cmd *cobra.Command, args []string) error {
	if len(args) == 2 {
		return nil
	}
	return fmt.Errorf("give a method and a URL, such as GET https://api.example.com/v1/balance; %q shows how", cmd.CommandPath()+" --help")
}

// signedRequest is a request that can be sent once.
type signedRequest struct {
	Method  string            `json:"method"`
	URL     string            `json:"url"`
	Headers map[string]string `json:"headers"`
	// StringToSign is what the signature is made of, to compare with one's own.
	StringToSign string `json:"string_to_sign"`
	Curl         string `json:"curl"`
}

func showSigned(p *printer, out signedRequest) {
	for _, name := range []string{
		signature.HeaderKey, signature.HeaderTimestamp, signature.HeaderNonce, signature.HeaderSignature,
		"Content-Digest", "Signature-Input", "Signature",
	} {
		if value := out.Headers[name]; value != "" {
			p.row(name + ": " + value)
		}
	}
}

func (s *session) sign(f signFlags) (out signedRequest, err error) {
	if f.scheme != schemeUNK1 && f.scheme != schemeStandard {
		return out, fmt.Errorf("--scheme %q is neither %s nor %s", f.scheme, schemeUNK1, schemeStandard)
	}
	if f.data != "" && f.dataFile != "" {
		return out, errors.New("give the body with --data or with --data-file, not both")
	}
	if f.secretFile == "-" && (f.data == "@-" || f.dataFile == "-") {
		return out, errors.New("the secret and the body cannot both come from standard input")
	}
	body, err := s.readBody(f)
	if err != nil {
		return out, err
	}
	req, err := newRequest(s.args[0], s.args[1], f.headers)
	if err != nil {
		return out, err
	}
	secret, err := s.readSecret(f.key, f.secretFile)
	if err != nil {
		return out, err
	}
	signer, err := signature.NewSigner(f.key, secret)
	if err != nil {
		return out, err
	}
	nonce, err := signature.NewNonce(rand.Reader)
	if err != nil {
		return out, err
	}
	hash := sha256.Sum256(body.bytes)
	sign := signer.Sign
	if f.scheme == schemeStandard {
		sign = signer.SignRFC9421
	}
	if err := sign(req, hash, time.Now(), nonce); err != nil {
		return out, err
	}
	return signed(req, body, hash)
}

func signed(req *http.Request, body signBody, hash [sha256.Size]byte) (out signedRequest, err error) {
	out = signedRequest{Method: req.Method, URL: req.URL.String(), Headers: map[string]string{}}
	for name := range req.Header {
		out.Headers[name] = req.Header.Get(name)
	}
	credentials, err := signature.Parse(req.Header)
	if err != nil {
		return out, err
	}
	host, err := signature.Host(requestHost(req), req.URL.Scheme)
	if err != nil {
		return out, err
	}
	target, err := signature.Target(req.URL.RequestURI())
	if err != nil {
		return out, err
	}
	text, err := credentials.AppendStringToSign(nil, &signature.Request{
		Method: req.Method, Scheme: req.URL.Scheme, Host: host, Target: target,
		Body: signature.Body{Length: int64(len(body.bytes)), SHA256: hash},
	})
	if err != nil {
		return out, err
	}
	out.StringToSign = string(text)
	out.Curl, err = curlLine(req, body)
	return out, err
}

func requestHost(req *http.Request) string {
	if req.Host != "" {
		return req.Host
	}
	return req.URL.Host
}

func newRequest(method, address string, headers []string) (*http.Request, error) {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || u.User != nil {
		return nil, fmt.Errorf("%q is not a URL such as https://api.example.com/v1/payments", address)
	}
	u.Fragment, u.RawFragment = "", "" // never sent
	req, err := http.NewRequest(strings.ToUpper(method), u.String(), nil)
	if err != nil {
		return nil, err
	}
	for _, h := range headers {
		if err := addHeader(req, h); err != nil {
			return nil, err
		}
	}
	return req, nil
}

func addHeader(req *http.Request, line string) error {
	name, value, found := strings.Cut(line, ":")
	name, value = http.CanonicalHeaderKey(strings.TrimSpace(name)), strings.TrimSpace(value)
	switch {
	case !found || name == "" || value == "" || strings.ContainsFunc(value, func(c rune) bool { return c < ' ' && c != '\t' }):
		return fmt.Errorf("--header %q is not of the form \"Name: value\"", line)
	case strings.HasPrefix(name, "X-Unk-") || name == "Signature" || name == "Signature-Input" || name == "Content-Digest":
		return fmt.Errorf("--header %s: the headers of the signature are made here", name)
	case name == "Host":
		req.Host = value
	default:
		req.Header.Set(name, value)
	}
	return nil
}

// readSecret refuses what the gateway could only refuse less clearly.
func (s *session) readSecret(keyID, file string) (string, error) {
	text, err := s.readFile(file, maxSecretFile)
	if err != nil {
		return "", fmt.Errorf("read the secret: %w", err)
	}
	secret := string(bytes.TrimSpace(text))
	env, ok := signature.EnvironmentOf(keyID)
	switch {
	case !ok:
		return "", fmt.Errorf("--key %q is not a key id: unk_live_ or unk_test_ and 22 letters or digits", keyID)
	case signature.Environment(secretEnvironment(secret)) != env:
		return "", fmt.Errorf("the secret in %s does not begin with unks_%s_ as the secret of a %s key does", file, env, env)
	case !controlplane.SecretLooksRight(secret):
		return "", fmt.Errorf("the check sum of the secret in %s is wrong: a character is missing, added or changed; copy it again", file)
	}
	if info, err := os.Stat(file); err == nil && info.Mode().IsRegular() && info.Mode().Perm()&0o077 != 0 {
		s.note("Warning: other users can read %s; run chmod 0600 %s.", file, file)
	}
	return secret, nil
}

func secretEnvironment(secret string) string {
	rest, _ := strings.CutPrefix(secret, "unks_")
	env, _, _ := strings.Cut(rest, "_")
	return env
}

const (
	maxSecretFile = 4 << 10  // bytes
	maxSignedBody = 64 << 20 // bytes
)

// readFile reads a file, or standard input for "-".
func (s *session) readFile(name string, limit int64) ([]byte, error) {
	var from io.Reader = s.cmd.InOrStdin()
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		from = f
	}
	text, err := io.ReadAll(io.LimitReader(from, limit+1))
	if err == nil && int64(len(text)) > limit {
		err = fmt.Errorf("%s holds more than %d bytes", name, limit)
	}
	return text, err
}
