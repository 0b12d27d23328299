package caddymodule

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/user"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

// session is one run of a command.
type session struct {
	cmd  *cobra.Command
	args []string

	config, adapter, address string
	json                     bool
	remote
	// breakGlass is why the change must not wait for a second pair of eyes.
	breakGlass string

	// offline: the answer came from the database, no server was running.
	offline bool
}

// ask makes one call and prints the answer: as it came with --json, else by show.
func ask[Out any](s *session, name controlplane.Operation, in any, show func(*printer, Out)) (out Out, err error) {
	input, err := json.Marshal(in)
	if err != nil {
		return out, err
	}
	answer, err := s.call(string(name), input)
	if answer == nil {
		return out, err
	}
	// An answer beside an error is printed all the same: it may hold a secret that
	// nobody will see again.
	if bad := json.Unmarshal(answer, &out); bad != nil {
		return out, errors.Join(err, fmt.Errorf("the answer does not fit; is the server of another version? %w", bad))
	}
	return out, errors.Join(s.printAnswer(answer, func(p *printer) { show(p, out) }), err)
}

// do is ask for commands that are done when the answer is printed.
func do[Out any](s *session, name controlplane.Operation, in any, show func(*printer, Out)) error {
	_, err := ask(s, name, in, show)
	return err
}

// storeNow is said with everything that is shown once.
const storeNow = "Store the %s now: it cannot be shown again."

// doOnce is do for answers with something in them that is shown this once.
func doOnce[Out any](s *session, what string, name controlplane.Operation, in any, show func(*printer, Out)) error {
	err := do(s, name, in, show)
	if err == nil {
		s.note(storeNow, what)
	}
	return err
}

// printOwn prints an answer that the command itself came to.
func printOwn[Out any](s *session, out Out, show func(*printer, Out)) error {
	answer, err := encodeJSON(out)
	if err != nil {
		return err
	}
	return s.printAnswer(answer, func(p *printer) { show(p, out) })
}

func (s *session) printAnswer(answer []byte, show func(*printer)) error {
	if !s.json {
		return s.print(show)
	}
	var pretty bytes.Buffer
	if err := json.Indent(&pretty, answer, "", "  "); err != nil {
		return err
	}
	pretty.WriteByte('\n')
	_, err := s.cmd.OutOrStdout().Write(pretty.Bytes())
	return err
}

// call asks the server that was named, or the running one, or does the work itself if there is none.
func (s *session) call(name string, input []byte) ([]byte, error) {
	if s.server != "" {
		return s.callRemote(name, input)
	}
	if s.address != "" {
		socket, err := socketPath(s.address)
		if err != nil {
			return nil, err
		}
		return askServer(s.cmd.Context(), socket, name, input)
	}
	c, err := loadCommandConfig(s.config, s.adapter)
	if err != nil {
		return nil, err
	}
	socket, noSocket := socketPath(c.admin)
	if noSocket == nil {
		answer, err := askServer(s.cmd.Context(), socket, name, input)
		if !errors.As(err, new(*unreachableError)) {
			return answer, err
		}
		noSocket = err
	}
	s.offline = true
	answer, err := c.callOffline(s.cmd.Context(), name, input)
	return answer, inUse(err, noSocket)
}

// inUse tells what to do when a server holds the database but could not be asked.
func inUse(err, noSocket error) error {
	if controlplane.CodeOf(err) != controlplane.CodeUnavailable {
		return err
	}
	return fmt.Errorf("%w; and %w", err, noSocket)
}

// explain turns an error into the one line that cobra prints. With --json the
// error is on standard output too, with its code.
func (s *session) explain(err error) error {
	if err == nil {
		return nil
	}
	var e *controlplane.Error
	if !errors.As(err, &e) {
		return errors.New(oneLine(err.Error()))
	}
	named := *e
	named.Fields = make([]controlplane.FieldError, len(e.Fields))
	for i, f := range e.Fields {
		named.Fields[i] = controlplane.FieldError{Field: "--" + flagOf(f.Field), Message: f.Message}
	}
	text := strings.Replace(err.Error(), e.Error(), named.Error(), 1)
	if hint := idHint(e.Message); hint != "" && e.Code == controlplane.CodeNotFound {
		text += "; " + hint
	}
	if e.Code == controlplane.CodePending {
		text += "; they run: caddy merchants approval approve --approval " + e.ApprovalID
	}
	if !s.json {
		return errors.New(oneLine(text))
	}
	answer, bad := encodeJSON(callError{e})
	return errors.Join(errors.New(oneLine(text)), bad, s.printAnswer(answer, nil))
}

// flagOf is the flag that fills an input's field.
func flagOf(field string) string {
	switch field {
	case "merchant_id":
		return "merchant"
	case "user_id":
		return "user"
	case "key_id":
		return "key"
	case "entry_id":
		return "entry"
	case "delivery_id":
		return "delivery"
	case "endpoint_id":
		return "endpoint"
	case "event_id":
		return "event"
	case "approval_id":
		return "approval"
	case "staff_id":
		return "staff"
	case "request_id":
		return "request"
	case "environment":
		return "env"
	case "text":
		return "file"
	}
	return strings.ReplaceAll(field, "_", "-")
}

// idHint says where the ids of a thing are listed.
func idHint(message string) string {
	for what, list := range map[string]string{
		"no merchant ": "merchant list", "no user ": "user list", "no key ": "key list", "no allowlist entry ": "allowlist list",
		"no endpoint ": "endpoint list", "no delivery ": "delivery list", "no service token ": "service-token list",
		"no staff token ": "staff-token list", "no approval ": "approval list", "no member of staff ": "staff list",
		"no allowlist request ": "allowlist request list", "no request ": "request list",
	} {
		if strings.HasPrefix(message, what) {
			return `"caddy merchants ` + list + `" shows what there is`
		}
	}
	return ""
}

// note prints a line that is not part of the answer.
func (s *session) note(format string, args ...any) {
	s.cmd.PrintErrf(format+"\n", args...)
}

// operatorName is who runs the command, for the audit trail.
func operatorName() string {
	name := "uid " + strconv.Itoa(os.Getuid())
	if u, err := user.Current(); err == nil {
		name = u.Username
	}
	if by := os.Getenv("SUDO_USER"); by != "" && by != name {
		name = by + " as " + name
	}
	name = strings.Map(func(c rune) rune {
		if notPrintableASCII(c) {
			return '?'
		}
		return c
	}, name)
	return name[:min(len(name), maxOperator)]
}
