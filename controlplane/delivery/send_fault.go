package delivery

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"syscall"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

// judge says what became of the attempt. A status counts even if the body after
// it broke off, unless it is 2xx: what a receiver did not say to its end is no
// success.
func (r *Result) judge(ctx context.Context, err error, s seen, host string) {
	if r.Status != 0 && !success(r.Status) {
		r.Fault, r.Detail = controlplane.FaultStatus, statusDetail(r.Status)
		return
	}
	if err != nil {
		r.Fault, r.Detail = fault(ctx, err, s, host)
	}
	if r.Fault == controlplane.FaultBlocked {
		r.Address = netip.AddrPort{} // what a name leads to inside is not for its owner to learn
	}
}

func success(status int) bool { return status >= 200 && status < 300 }

func statusDetail(status int) string {
	text := fmt.Sprintf("the answer was %d %s", status, http.StatusText(status))
	if status >= 300 && status < 400 {
		return strings.TrimSpace(text) + "; redirects are not followed, so enter the URL that it leads to"
	}
	return strings.TrimSpace(text)
}

// fault puts into words what kept an answer away. Texts of the operating system
// and of the resolver do not get through: they name this machine's addresses and
// name servers.
func fault(ctx context.Context, err error, s seen, host string) (controlplane.Fault, string) {
	var dnsErr *net.DNSError
	var opErr *net.OpError
	switch {
	case ctx.Err() != nil && !errors.Is(context.Cause(ctx), errDeadline):
		return controlplane.FaultInternal, "sending was stopped"
	case errors.Is(err, errBlocked):
		return controlplane.FaultBlocked, "the name leads to an address that is private, reserved or this server's own"
	case ourShortage(err):
		return controlplane.FaultInternal, "this server could not open a connection"
	case errors.As(err, &dnsErr):
		return controlplane.FaultDNS, dnsDetail(dnsErr, host)
	case s.tlsErr != nil:
		return controlplane.FaultTLS, tlsDetail(s.tlsErr, host)
	case errors.As(err, &opErr) && opErr.Op == "remote error": // a TLS 1.3 alert after the handshake, such as for the lack of a client certificate
		return controlplane.FaultTLS, tlsDetail(err, host)
	case errors.As(err, &opErr) && opErr.Op == "dial":
		return controlplane.FaultConnect, connectDetail(err)
	case ctx.Err() != nil:
		return controlplane.FaultTimeout, "the time for the attempt ran out while " + s.doing
	}
	return controlplane.FaultProtocol, protocolDetail(err)
}

// ourShortage reports that it was this machine that had nothing left.
func ourShortage(err error) bool {
	for _, e := range []error{syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM, syscall.EADDRNOTAVAIL} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

func dnsDetail(err *net.DNSError, host string) string {
	switch {
	case err.IsNotFound:
		return fmt.Sprintf("the name %s does not exist, or has no address", host)
	case err.IsTimeout:
		return fmt.Sprintf("the name servers of %s did not answer in time", host)
	}
	return fmt.Sprintf("the name servers of %s answered with an error", host)
}

func connectDetail(err error) string {
	var timeout net.Error
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return "the connection was refused: nothing listens there, or a firewall rejects it"
	case errors.As(err, &timeout) && timeout.Timeout():
		return "no connection came about in time: the server is down, or a firewall drops it"
	case errors.Is(err, syscall.ENETUNREACH), errors.Is(err, syscall.EHOSTUNREACH):
		return "there is no route to the address"
	}
	return "the connection could not be made"
}

func tlsDetail(err error, host string) string {
	var wrongName x509.HostnameError
	var unknown x509.UnknownAuthorityError
	var invalid x509.CertificateInvalidError
	var notTLS tls.RecordHeaderError
	var timeout net.Error
	switch {
	case errors.As(err, &wrongName):
		return "the certificate is not for " + host
	case errors.As(err, &unknown):
		return "the certificate is not signed by a known authority: it is self-signed, or intermediate certificates are not sent along"
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return "the certificate has expired, or is not valid yet"
	case errors.As(err, &invalid):
		return "the certificate is not valid for a server"
	case errors.As(err, &notTLS):
		return "the server does not speak TLS on this port"
	case strings.Contains(err.Error(), "protocol version"):
		return "the server does not offer TLS 1.2 or newer"
	case errors.As(err, &timeout) && timeout.Timeout():
		return "the TLS handshake did not end in time"
	case brokenOff(err):
		return "the connection was closed during the TLS handshake"
	}
	var opErr *net.OpError
	if errors.As(err, &opErr) {
		err = opErr.Err // without this machine's address
	}
	return "the TLS handshake failed: " + printable(err.Error(), 200)
}

func protocolDetail(err error) string {
	if brokenOff(err) {
		return "the connection was closed before the end of the answer"
	}
	if strings.Contains(err.Error(), "response headers exceeded") {
		return fmt.Sprintf("the headers of the answer are longer than %d KiB", maxAnswerHeader>>10)
	}
	return "the answer is not valid HTTP"
}

func brokenOff(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) ||
		errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) || errors.Is(err, net.ErrClosed)
}
