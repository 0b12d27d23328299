package caddymodule

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/unknownpay/merchant-gateway/controlplane"
	"github.com/unknownpay/merchant-gateway/controlplane/outbox"
)

// Mail is the operator's mail server, for security notices to merchants' people:
// new devices, lockouts, changed passwords and second factors, and what happens to
// API keys and webhook endpoints.
type Mail struct {
	// host:port of the server. 465 speaks TLS from the start; every other port must
	// offer STARTTLS.
	SMTP string `json:"smtp"`

	// The sender, such as "UnknownPay <notices@example.com>".
	From string `json:"from"`

	// The user name at the mail server.
	//
	// Default: none, and the server is not signed in to.
	Username string `json:"username,omitempty"`

	// The file that holds the password, alone on its line. It is read at each start
	// and reload.
	PasswordFile string `json:"password_file,omitempty"`

	// Sends without TLS, to a mail server on this machine only.
	//
	// Default: false.
	Plaintext bool `json:"plaintext,omitempty"`
}

func (m *Mail) validate() error {
	if m == nil {
		return nil
	}
	if m.SMTP == "" || m.From == "" {
		return errors.New("mail: smtp and from are needed")
	}
	if (m.Username == "") != (m.PasswordFile == "") {
		return errors.New("mail: username and password_file go together")
	}
	_, err := outbox.NewSMTP(m.config(controlplane.NewSecret("unread")))
	if err != nil {
		return fmt.Errorf("mail: %w", err)
	}
	return nil
}

func (m *Mail) config(password controlplane.Secret) outbox.SMTPConfig {
	return outbox.SMTPConfig{Address: m.SMTP, Plaintext: m.Plaintext, From: m.From, Username: m.Username, Password: password}
}

// transport reads the password; it dials nothing. It is nil without a mail server.
func (m *Mail) transport() (outbox.Transport, error) {
	if m == nil {
		return nil, nil
	}
	var password controlplane.Secret
	if m.PasswordFile != "" {
		text, err := os.ReadFile(m.PasswordFile)
		if err != nil {
			return nil, fmt.Errorf("mail: %w", err)
		}
		password = controlplane.NewSecret(strings.TrimRight(string(text), "\r\n"))
	}
	smtp, err := outbox.NewSMTP(m.config(password))
	if err != nil {
		return nil, fmt.Errorf("mail: %w", err)
	}
	return smtp, nil
}

// mailServer is that of whichever configuration is in force.
func (s *dataSlot) mailServer() outbox.Transport {
	if set := s.tenants.newest(); set != nil {
		return set.mail
	}
	return nil
}
