package outbox

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"

	"github.com/wneessen/go-mail"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

// SMTPConfig is how the operator's mail server is reached.
type SMTPConfig struct {
	// Address is host:port. 465 speaks TLS from the start, every other port
	// STARTTLS, which is demanded.
	Address string
	// Plaintext allows a server without TLS, on this machine.
	Plaintext bool
	From      string
	Username  string
	Password  controlplane.Secret
	// TLS is nil for the usual checks.
	TLS *tls.Config
}

const smtpsPort = 465

// SMTP sends by a mail server, over a connection for each message: notices are
// rare.
type SMTP struct {
	host    string
	options []mail.Option
	smtps   bool
	from    string
}

// NewSMTP checks the configuration; it dials nothing.
func NewSMTP(c SMTPConfig) (*SMTP, error) {
	host, text, err := net.SplitHostPort(c.Address)
	if err != nil {
		return nil, fmt.Errorf("mail server %q is not host:port, such as mail.example.com:587", c.Address)
	}
	port, err := strconv.ParseUint(text, 10, 16)
	if err != nil || port == 0 {
		return nil, fmt.Errorf("mail server %q has no port from 1 to 65535", c.Address)
	}
	if err := mail.NewMsg().From(c.From); err != nil {
		return nil, fmt.Errorf("sender %q is not an e-mail address", c.From)
	}
	if c.Plaintext && !isLoopback(host) {
		return nil, fmt.Errorf("mail server %q: mail without TLS is sent to this machine only", c.Address)
	}
	s := &SMTP{host: host, options: c.options(int(port)), smtps: port == smtpsPort && !c.Plaintext, from: c.From}
	_, err = mail.NewClient(host, s.options...)
	return s, err
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

func (c SMTPConfig) options(port int) []mail.Option {
	o := []mail.Option{mail.WithPort(port), mail.WithTLSPolicy(mail.TLSMandatory)}
	switch {
	case c.Plaintext:
		o = append(o, mail.WithTLSPolicy(mail.NoTLS))
	case port == smtpsPort:
		o = append(o, mail.WithSSL())
	}
	if c.TLS != nil {
		o = append(o, mail.WithTLSConfig(c.TLS))
	}
	if c.Username != "" {
		o = append(o, mail.WithSMTPAuth(mail.SMTPAuthAutoDiscover), mail.WithUsername(c.Username), mail.WithPassword(c.Password.Reveal()))
	}
	return o
}

// Send hands one message over.
func (s *SMTP) Send(ctx context.Context, m controlplane.Mail) error {
	msg := mail.NewMsg()
	if err := errors.Join(msg.From(s.from), msg.To(m.To)); err != nil {
		return fmt.Errorf("%w: %w", ErrRejected, err)
	}
	msg.Subject(m.Subject)
	msg.SetBodyString(mail.TypeTextPlain, m.Body)
	msg.SetMessageID()
	msg.SetDate()
	err := s.deliver(ctx, msg)
	var failed *mail.SendError
	if errors.As(err, &failed) && !failed.IsTemp() && failed.Reason == mail.ErrSMTPRcptTo {
		return fmt.Errorf("%w: %w", ErrRejected, err)
	}
	return err
}

// deliver closes the connection itself: after a failed STARTTLS or sign-in, go-mail
// v0.8.1 leaves it open. With TLS from the start the library dials on its own.
func (s *SMTP) deliver(ctx context.Context, msg *mail.Msg) error {
	options := s.options
	if !s.smtps {
		var open net.Conn
		defer func() {
			if open != nil {
				_ = open.Close() // closed already if all went well
			}
		}()
		dial := func(ctx context.Context, network, address string) (c net.Conn, err error) {
			c, err = new(net.Dialer).DialContext(ctx, network, address)
			open = c
			return c, err
		}
		options = append(slices.Clone(options), mail.WithDialContextFunc(dial))
	}
	client, err := mail.NewClient(s.host, options...)
	if err != nil {
		return err
	}
	return client.DialAndSendWithContext(ctx, msg)
}
