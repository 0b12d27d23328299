package caddymodule

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
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
	"github.com/unknownpay/merchant-gateway/portal/api"
)

// remote is a server on another machine, reached by its admin API.
type remote struct {
	server, tokenFile, caFile string
}

func (r *remote) flags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&r.server, "server", "", "Console of a server on another machine, such as https://console.example.com; with --token-file")
	cmd.Flags().StringVar(&r.tokenFile, "token-file", "", "File with the staff token for --server, readable by its owner only")
	cmd.Flags().StringVar(&r.caFile, "ca-file", "", "PEM file with the certificate authorities to trust for --server (default: the system's)")
}

// localLeaf is a leaf for what is not in the admin API. It takes the flags, so that
// it can say so.
func localLeaf(cmd *cobra.Command, required []string, do func(*session) error) *cobra.Command {
	cmd = leaf(cmd, required, func(s *session) error {
		if s.server != "" {
			return errNotRemote(cmd.CommandPath())
		}
		return do(s)
	})
	for _, name := range []string{"server", "token-file", "ca-file"} {
		cmd.Flags().Lookup(name).Hidden = true
	}
	return cmd
}

func errNotRemote(path string) error {
	return fmt.Errorf("%q works only on the machine of the server itself: leave out --server and run it there", path)
}

// check refuses flags that contradict each other.
func (s *session) checkRemote() error {
	switch {
	case s.server == "" && (s.tokenFile != "" || s.caFile != ""):
		return errors.New("--token-file and --ca-file are for --server, which is missing")
	case s.server != "" && (s.config != "" || s.adapter != "" || s.address != ""):
		return errors.New("--server asks another machine: leave out --config, --adapter and --address")
	case s.server != "" && s.tokenFile == "":
		return errors.New("--server needs --token-file, a file with a staff token")
	}
	return nil
}

// callRemote makes one call over the admin API of another machine.
func (s *session) callRemote(name string, input []byte) ([]byte, error) {
	target, known, err := api.Locate(controlplane.Operation(name), input)
	if !known && err != nil {
		return nil, errNotRemote(s.cmd.CommandPath())
	}
	if err != nil {
		return nil, err
	}
	base, err := serverAddress(s.server)
	if err != nil {
		return nil, err
	}
	token, err := readToken(s.tokenFile)
	if err != nil {
		return nil, err
	}
	client, err := remoteClient(s.caFile)
	if err != nil {
		return nil, err
	}
	defer client.CloseIdleConnections()
	return s.askRemote(client, base, token, target)
}

// serverAddress takes https only: a token that travels in the clear is anybody's.
func serverAddress(text string) (string, error) {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "" {
		return "", errors.New("--server is the address of the console, such as https://console.example.com: https, a host, and nothing behind it")
	}
	return "https://" + u.Host, nil
}

// maxToken bounds what is read of a token file; a token has 49 characters.
const maxToken = 1 << 10

// readToken refuses a file that others can read, and never repeats what is in it.
func readToken(path string) (controlplane.Secret, error) {
	f, err := os.Open(path)
	if err != nil {
		return controlplane.Secret{}, fmt.Errorf("--token-file: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return controlplane.Secret{}, fmt.Errorf("--token-file: %w", err)
	}
	if !info.Mode().IsRegular() || info.Mode().Perm()&0o077 != 0 {
		return controlplane.Secret{}, fmt.Errorf("--token-file: %s must be a file that nobody but its owner can read: chmod 600 it, and revoke the token if others may have read it", path)
	}
	text, err := io.ReadAll(io.LimitReader(f, maxToken))
	if err != nil {
		return controlplane.Secret{}, fmt.Errorf("--token-file: %w", err)
	}
	token := strings.TrimSpace(string(text))
	if token == "" || strings.ContainsFunc(token, func(c rune) bool { return c <= ' ' || c > '~' }) {
		return controlplane.Secret{}, fmt.Errorf("--token-file: %s does not hold one token", path)
	}
	return controlplane.NewSecret(token), nil
}

const (
	dialWait   = 10 * time.Second
	answerWait = 5 * time.Minute // the longest is to verify an audit trail
)

func remoteClient(caFile string) (*http.Client, error) {
	trust := &tls.Config{MinVersion: tls.VersionTLS12}
	if caFile != "" {
		text, err := os.ReadFile(caFile)
		if err != nil {
			return nil, fmt.Errorf("--ca-file: %w", err)
		}
		trust.RootCAs = x509.NewCertPool()
		if !trust.RootCAs.AppendCertsFromPEM(text) {
			return nil, fmt.Errorf("--ca-file: %s holds no certificate in PEM form", caFile)
		}
	}
	return &http.Client{
		Transport: &http.Transport{
			TLSClientConfig: trust, TLSHandshakeTimeout: dialWait, ForceAttemptHTTP2: true,
			ResponseHeaderTimeout: answerWait, Proxy: http.ProxyFromEnvironment,
		},
		// A redirect would take the token along.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}, nil
}

func (s *session) askRemote(client *http.Client, base string, token controlplane.Secret, t api.Target) ([]byte, error) {
	req, err := http.NewRequestWithContext(s.cmd.Context(), t.Method, base+t.Path, bytes.NewReader(t.Body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Bearer "+token.Reveal())
	req.Header.Set("User-Agent", "caddy-merchants/"+moduleVersion())
	if s.breakGlass != "" {
		req.Header.Set(api.BreakGlassHeader, s.breakGlass)
	}
	if t.Body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("ask %s: %w", base, errors.Unwrap(err)) // without the address a second time
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return nil, fmt.Errorf("read the answer from %s: %w", base, err)
	}
	if resp.StatusCode != http.StatusOK && resp.StatusCode != http.StatusCreated {
		return nil, remoteError(base, resp.StatusCode, answer)
	}
	return answer, nil
}

// remoteError reads a problem of the admin API, or says that the answer is none.
func remoteError(base string, status int, answer []byte) error {
	var p api.Problem
	if json.Unmarshal(answer, &p) != nil || p.Code == "" {
		return fmt.Errorf("%s answered HTTP %d, and not as an admin API does; is it the console's host?", base, status)
	}
	e := &controlplane.Error{Code: p.Code, Message: p.Detail, Fields: p.Fields, ApprovalID: p.ApprovalID}
	if p.Code == controlplane.CodeInternal {
		e.Message += ": " + p.RequestID
	}
	return e
}
