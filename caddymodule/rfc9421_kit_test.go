package caddymodule

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/unknownpay/merchant-gateway/controlplane/signature"
)

// standard is a request that is about to be signed by RFC 9421. What signs is a few
// naive lines, so that the gateway is not held against code it shares.
type standard struct {
	scheme, method, host, target, body string
	fields                             [][2]string // sent, and covered if the list names them
	list                               string      // components
	params                             string
	secret                             string
}

const standardList = `"@method" "@authority" "@path" "@query" "content-digest"`

func digestOf(body string) string {
	sum := sha256.Sum256([]byte(body))
	return "sha-256=:" + base64.StdEncoding.EncodeToString(sum[:]) + ":"
}

func digest512Of(body string) string {
	sum := sha512.Sum512([]byte(body))
	return "sha-512=:" + base64.StdEncoding.EncodeToString(sum[:]) + ":"
}

// standard is POST /v1/pay?a=1 with the full profile.
func (s *site) standard(m merchant, protocol int) *standard {
	s.t.Helper()
	nonce, err := signature.NewNonce(rand.Reader)
	check(s.t, err)
	c := &standard{
		scheme: "https", method: "POST", host: "gateway.test:" + port(s.secure), target: "/v1/pay?a=1", body: `{"amount":1}`,
		list: standardList, secret: m.secret,
		params: fmt.Sprintf(`;created=%d;keyid="%s";nonce="%s";alg="hmac-sha256"`, time.Now().Unix(), m.keyID, nonce),
	}
	if protocol == h1 {
		c.scheme, c.host = "http", "gateway.test:"+port(s.plain)
	}
	c.fields = [][2]string{{"Content-Type", "application/json"}, {"Content-Digest", digestOf(c.body)}}
	return c
}

// base follows RFC 9421 §2.5 for what these tests send.
func (c *standard) base() string {
	path, query, _ := strings.Cut(c.target, "?")
	host := strings.ToLower(c.host)
	host = strings.TrimSuffix(host, map[string]string{"https": ":443", "http": ":80"}[c.scheme])
	values := map[string]string{
		"@method": c.method, "@authority": host, "@path": path, "@query": "?" + query, "@scheme": c.scheme,
		"@target-uri": c.scheme + "://" + host + c.target, "@request-target": c.target,
	}
	for _, f := range c.fields {
		name := strings.ToLower(f[0])
		if earlier, twice := values[name]; twice {
			values[name] = earlier + ", " + f[1]
		} else {
			values[name] = f[1]
		}
	}
	var b strings.Builder
	for _, name := range strings.Fields(c.list) {
		b.WriteString(name + ": " + values[strings.Trim(name, `"`)] + "\n")
	}
	return b.String() + `"@signature-params": (` + c.list + ")" + c.params
}

func (c *standard) signed() *raw {
	mac := hmac.New(sha256.New, []byte(c.secret))
	mac.Write([]byte(c.base()))
	r := &raw{method: c.method, target: c.target, host: c.host, body: c.body, fields: slices.Clone(c.fields)}
	r.add("Signature-Input", "sig=("+c.list+")"+c.params)
	r.add("Signature", "sig=:"+base64.StdEncoding.EncodeToString(mac.Sum(nil))+":")
	return r
}

// field sets a header before it is signed; no values take it away.
func field(name string, values ...string) func(*standard) {
	return func(c *standard) {
		c.fields = slices.DeleteFunc(c.fields, func(f [2]string) bool { return f[0] == name })
		for _, v := range values {
			c.fields = append(c.fields, [2]string{name, v})
		}
	}
}

func covered(list string) func(*standard) { return func(c *standard) { c.list = list } }

func alsoCovered(list string) func(*standard) { return func(c *standard) { c.list += " " + list } }

// parameter replaces the value of a signature parameter, or all of it by "".
func parameter(name, value string) func(*standard) {
	return func(c *standard) {
		parts := strings.Split(c.params[1:], ";")
		for i, p := range parts {
			if !strings.HasPrefix(p, name+"=") {
				continue
			}
			if parts[i] = name + "=" + value; value == "" {
				parts = slices.Delete(parts, i, i+1)
			}
			c.params = ";" + strings.Join(parts, ";")
			return
		}
		panic("no parameter " + name)
	}
}

func alsoParameter(text string) func(*standard) { return func(c *standard) { c.params += ";" + text } }

func noBody(c *standard) {
	c.body = ""
	field("Content-Digest")(c)
	c.list = `"@method" "@authority" "@path" "@query"`
}

// dropped takes a header away after signing.
func dropped(name string) func(*raw) {
	return func(r *raw) {
		r.fields = slices.DeleteFunc(r.fields, func(f [2]string) bool { return f[0] == name })
	}
}

// replaced edits a header after signing.
func replaced(name, old, replacement string) func(*raw) {
	return valued(name, func(v string) string {
		if !strings.Contains(v, old) {
			panic(name + " has no " + old)
		}
		return strings.Replace(v, old, replacement, 1)
	})
}

// sentTwice sends a header a second time.
func sentTwice(name string) func(*raw) {
	return func(r *raw) {
		i := slices.IndexFunc(r.fields, func(f [2]string) bool { return f[0] == name })
		r.add(name, r.fields[i][1])
	}
}

func all[T any](changes ...func(T)) func(T) {
	return func(v T) {
		for _, change := range changes {
			change(v)
		}
	}
}

// on runs a test over each of the protocols.
func on(t *testing.T, protocols int, run func(t *testing.T, protocol int)) {
	for _, p := range []struct {
		bit  int
		name string
	}{{h1, "HTTP1"}, {h2, "HTTP2"}, {h3, "HTTP3"}} {
		if protocols&p.bit != 0 {
			t.Run(p.name, func(t *testing.T) { run(t, p.bit) })
		}
	}
}
