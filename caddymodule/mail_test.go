package caddymodule

import (
	"bufio"
	"context"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

// mailbox is a mail server that says yes to everything and hands on the messages.
func mailbox(t *testing.T) (address string, messages <-chan string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	check(t, err)
	taken := make(chan string, 10)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			takeMail(c, taken)
		}
	}()
	t.Cleanup(func() {
		check(t, l.Close())
		<-done
	})
	return l.Addr().String(), taken
}

func takeMail(c net.Conn, taken chan<- string) {
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(10 * time.Second)) // a session that hangs fails the test by its own wait
	r := bufio.NewReader(c)
	say := func(text string) { _, _ = c.Write([]byte(text + "\r\n")) } // the reader notices
	say("220 ready")
	var text *strings.Builder
	for {
		line, err := r.ReadString('\n')
		switch {
		case err != nil:
			return
		case text != nil && line != ".\r\n":
			text.WriteString(line)
		case text != nil:
			taken <- text.String()
			text = nil
			say("250 taken")
		case strings.HasPrefix(line, "DATA"):
			text = new(strings.Builder)
			say("354 go on")
		case strings.HasPrefix(line, "QUIT"):
			say("221 bye")
			return
		default:
			say("250 ok")
		}
	}
}

func TestPeopleAreToldByMail(t *testing.T) {
	address, messages := mailbox(t)
	s := startSite(t, func(s *site) {
		s.merchants = "mail {\n smtp " + address + "\n from notices@example.com\n plaintext\n}"
	})
	ctx := context.Background()
	m := s.merchant(controlplane.Test)
	_, err := s.node().service.CreateUser(ctx, operator, controlplane.CreateUser{
		MerchantID: m.id, Username: "nok", Role: controlplane.RoleOwner, Email: "nok@example.com"})
	check(t, err)
	_, err = s.app().started.Load().service.RotateKey(ctx, operator, controlplane.RotateKey{MerchantID: m.id, Environment: controlplane.Test, Overlap: controlplane.OverlapDay})
	check(t, err)
	select {
	case text := <-messages:
		if !strings.Contains(text, "nok@example.com") || !strings.Contains(text, "API key") || strings.Contains(text, m.secret) {
			t.Error(text)
		}
	case <-time.After(30 * time.Second):
		t.Fatal("no mail came")
	}
}

func TestMailConfigurationsThatCannotWork(t *testing.T) {
	missing := t.TempDir() + "/password"
	for want, block := range map[string]string{
		"smtp and from are needed":                 "smtp mail.example.com:587",
		"username and password_file go together":   "smtp mail.example.com:587\nfrom a@example.com\nusername x",
		"mail without TLS is sent to this machine": "smtp mail.example.com:25\nfrom a@example.com\nplaintext",
		"mail.example.com\" is not host:port":      "smtp mail.example.com\nfrom a@example.com",
		missing + ": no such file or directory":    "smtp mail.example.com:587\nfrom a@example.com\nusername x\npassword_file " + missing,
	} {
		s := &site{t: t, dir: t.TempDir(), plain: freePort(t), secure: freePort(t), upstream: &upstream{address: freePort(t)}, merchants: "mail {\n" + block + "\n}"}
		s.makeCertificate()
		s.database = s.path("data/merchants.db")
		err := s.load()
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
	check(t, caddy.Stop())
	check(t, os.RemoveAll(missing))
}
