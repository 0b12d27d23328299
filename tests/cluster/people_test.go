package cluster

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
)

// visitor is a browser without scripts, which whoever stands before the portals sends
// to one node or another.
type visitor struct {
	client *http.Client
	at     atomic.Pointer[node]
}

func newVisitor(t testing.TB, first *node) *visitor {
	t.Helper()
	jar, err := cookiejar.New(nil)
	check(t, err)
	v := new(visitor)
	v.at.Store(first)
	v.client = &http.Client{Jar: jar, Timeout: patience, Transport: &http.Transport{
		DisableKeepAlives: true, // each request may go to another node
		// Whose certificate it is, is not what is tested.
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS12},
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "tcp", v.at.Load().portal)
		},
	}}
	return v
}

// visit returns where it ended up.
func (v *visitor) visit(method, path string, form url.Values) (at string, a answer, err error) {
	r, err := http.NewRequest(method, "https://portal.test"+path, strings.NewReader(form.Encode()))
	if err != nil {
		return "", a, err
	}
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Sec-Fetch-Site", "same-origin")
	}
	res, err := v.client.Do(r)
	if err != nil {
		return "", a, err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	return res.Request.URL.Path, answer{res.StatusCode, string(body)}, err
}

var inputs = regexp.MustCompile(`<input[^>]* name="(\w+)"`)

// signIn makes a user of a merchant and signs them in, with the password that the
// portal makes them choose.
func (v *visitor) signIn(t testing.TB, n *node, m merchant) {
	t.Helper()
	var made struct {
		InitialPassword string `json:"initial_password"`
	}
	n.call("user.create", fields{"merchant_id": m.id, "username": "nok", "role": "owner"}, &made)
	at, a, err := v.visit(http.MethodPost, "/login", url.Values{"username": {"nok"}, "password": {made.InitialPassword}})
	if err != nil || at != "/password" {
		t.Fatalf("at %s: %d, %v: %s", at, a.status, err, a.body)
	}
	form := url.Values{}
	for _, name := range inputs.FindAllStringSubmatch(a.body, -1) {
		form.Set(name[1], "a rather long passphrase 7")
	}
	if form.Has("current") {
		form.Set("current", made.InitialPassword)
	}
	if at, a, err = v.visit(http.MethodPost, "/password", form); err != nil || at != "/" || a.status != http.StatusOK {
		t.Fatalf("at %s: %d, %v: %s", at, a.status, err, a.body)
	}
}
