package outbox_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/unknownpay/merchant-gateway/controlplane"
	"github.com/unknownpay/merchant-gateway/controlplane/outbox"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(stores.Around(m)) }

// sink is a mail server that keeps what it is given.
type sink struct {
	listener net.Listener
	refuse   string // the answer to RCPT; empty accepts
	mu       sync.Mutex
	messages []string
	sessions sync.WaitGroup
}

func startSink(t *testing.T, refuse string) *sink {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &sink{listener: l, refuse: refuse}
	s.sessions.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			s.sessions.Go(func() { s.serve(c) })
		}
	})
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
		s.sessions.Wait()
	})
	return s
}

func (s *sink) serve(c net.Conn) {
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(20 * time.Second)) // a session that hangs ends the test
	r := bufio.NewReader(c)
	say := func(line string) { fmt.Fprint(c, line+"\r\n") }
	say("220 sink ESMTP")
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return
		}
		switch verb := strings.ToUpper(strings.Fields(line + " .")[0]); {
		case verb == "EHLO":
			say("250-sink")
			say("250 8BITMIME")
		case verb == "RCPT" && s.refuse != "":
			say(s.refuse)
		case verb == "DATA":
			say("354 go on")
			s.keep(r)
			say("250 taken")
		case verb == "QUIT":
			say("221 bye")
			return
		default:
			say("250 ok")
		}
	}
}

func (s *sink) keep(r *bufio.Reader) {
	var text strings.Builder
	for {
		line, err := r.ReadString('\n')
		if err != nil || line == ".\r\n" {
			break
		}
		text.WriteString(line)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.messages = append(s.messages, text.String())
}

func mailer(t *testing.T, s *sink, to string) error {
	t.Helper()
	smtp, err := outbox.NewSMTP(outbox.SMTPConfig{Address: s.listener.Addr().String(), Plaintext: true, From: "UnknownPay <notices@example.com>"})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	return smtp.Send(ctx, controlplane.Mail{ID: "a", To: to, Subject: "Password changed · เปลี่ยนรหัสผ่านแล้ว", Body: "The password was changed.\n.\nend"})
}

func TestSMTPHandsMailOver(t *testing.T) {
	s := startSink(t, "")
	if err := mailer(t, s, "nok@example.com"); err != nil {
		t.Fatal(err)
	}
	if len(s.messages) != 1 {
		t.Fatalf("%d messages", len(s.messages))
	}
	for _, want := range []string{"To: <nok@example.com>", "notices@example.com", "=?UTF-8?q?Password_changed", "The password was changed."} {
		if !strings.Contains(s.messages[0], want) {
			t.Errorf("no %q in %s", want, s.messages[0])
		}
	}
}

func TestSMTPTellsFinalRefusalsFromOthers(t *testing.T) {
	for answer, final := range map[string]bool{"550 no such user": true, "451 try later": false} {
		if err := mailer(t, startSink(t, answer), "nok@example.com"); err == nil || errors.Is(err, outbox.ErrRejected) != final {
			t.Errorf("%s: %v", answer, err)
		}
	}
	if err := mailer(t, startSink(t, ""), "not an address"); !errors.Is(err, outbox.ErrRejected) {
		t.Errorf("a bad address: %v", err)
	}
}

func TestSMTPDemandsTLSBeyondThisMachine(t *testing.T) {
	s := startSink(t, "")
	smtp, err := outbox.NewSMTP(outbox.SMTPConfig{Address: s.listener.Addr().String(), From: "notices@example.com"})
	if err != nil {
		t.Fatal(err)
	}
	if err := smtp.Send(t.Context(), controlplane.Mail{To: "nok@example.com"}); err == nil || errors.Is(err, outbox.ErrRejected) || len(s.messages) > 0 {
		t.Errorf("a server without STARTTLS got mail: %v", err)
	}
}

func TestSMTPConfigErrorsSayWhatIsWrong(t *testing.T) {
	for want, c := range map[string]outbox.SMTPConfig{
		"is not host:port":          {Address: "mail.example.com", From: "a@example.com"},
		"no port":                   {Address: "mail.example.com:smtp", From: "a@example.com"},
		"is not an e-mail":          {Address: "mail.example.com:587", From: "nobody"},
		"sent to this machine only": {Address: "mail.example.com:25", From: "a@example.com", Plaintext: true},
	} {
		if _, err := outbox.NewSMTP(c); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}
