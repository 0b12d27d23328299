package caddymodule

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"

	"github.com/caddyserver/caddy/v2"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

// unreachableError: nobody listens, so the commands may do the work themselves.
type unreachableError struct {
	socket string
	cause  error
}

func (e *unreachableError) Error() string {
	return fmt.Sprintf("no server answers on the admin socket %s: %v", e.socket, e.cause)
}

// socketPath returns the path of a unix socket as Caddy writes addresses.
func socketPath(address string) (string, error) {
	a, err := caddy.ParseNetworkAddress(address)
	if err != nil {
		return "", fmt.Errorf("the admin address %q is not an address: %w", address, err)
	}
	if a.Network != "unix" {
		return "", fmt.Errorf("the admin address is %s, and the merchants calls work only over a unix socket: put \"admin unix//run/caddy/admin.sock\" into the global options of the Caddyfile and restart Caddy", address)
	}
	path, _, _ := strings.Cut(a.Host, "|") // the rest is the mode of the socket
	return path, nil
}

// maxAnswer is in bytes: 1,000 audit rows, the longest page, with room to spare.
const maxAnswer = 64 << 20

// askServer makes one call over the admin socket.
func askServer(ctx context.Context, socket, name string, input []byte) ([]byte, error) {
	client := http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", socket)
		},
	}}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://127.0.0.1"+adminPath+name, bytes.NewReader(input))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set(operatorHeader, operatorName())
	resp, err := client.Do(req)
	if err != nil {
		return nil, dialError(socket, err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return nil, fmt.Errorf("read the answer from %s: %w", socket, err)
	}
	if resp.StatusCode != http.StatusOK {
		return nil, serverError(socket, resp.StatusCode, answer)
	}
	return answer, nil
}

func dialError(socket string, err error) error {
	switch {
	case errors.Is(err, syscall.ENOENT), errors.Is(err, syscall.ECONNREFUSED):
		return &unreachableError{socket, errors.Unwrap(err)}
	case errors.Is(err, syscall.EACCES), errors.Is(err, syscall.EPERM):
		return fmt.Errorf("you may not open the admin socket %s; run the command as the user that the server runs as, for example with sudo -u caddy", socket)
	}
	return fmt.Errorf("ask the server on %s: %w", socket, err)
}

// serverError reads what the merchants calls answer, or Caddy itself does.
func serverError(socket string, status int, answer []byte) error {
	var ours callError
	if json.Unmarshal(answer, &ours) == nil && ours.Error != nil {
		return ours.Error
	}
	if status == http.StatusNotFound {
		return fmt.Errorf("the server on %s does not know the merchants calls; was it built with the merchant gateway?", socket)
	}
	return controlplane.Errorf(controlplane.CodeUnavailable, "the server on %s answered HTTP %d: %.200s", socket, status, answer)
}
