package caddymodule

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

// commandConfig is what the commands need of a configuration.
type commandConfig struct {
	file  string
	admin string          // address
	app   json.RawMessage // nil if there is none
}

// loadCommandConfig reads and adapts the configuration as "caddy run" does. It
// does not use Caddy's own function for that, which logs what it does to the
// terminal.
func loadCommandConfig(file, adapter string) (*commandConfig, error) {
	if file == "" {
		file = "Caddyfile"
	}
	text, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("there is no configuration file %s; name one with --config, or run the command where the Caddyfile is", file)
	}
	if err != nil {
		return nil, fmt.Errorf("read the configuration: %w", err)
	}
	if adapter == "" && looksLikeCaddyfile(file) {
		adapter = "caddyfile"
	}
	if adapter != "" {
		if text, err = adaptConfig(text, file, adapter); err != nil {
			return nil, err
		}
	}
	return parseCommandConfig(text, file)
}

// looksLikeCaddyfile is Caddy's own rule.
func looksLikeCaddyfile(file string) bool {
	base := strings.ToLower(filepath.Base(file))
	return filepath.Ext(base) != ".json" && (strings.HasPrefix(base, "caddyfile") || strings.HasSuffix(base, ".caddyfile"))
}

func adaptConfig(text []byte, file, name string) ([]byte, error) {
	adapter := caddyconfig.GetAdapter(name)
	if adapter == nil {
		return nil, fmt.Errorf("there is no config adapter %q; leave --adapter out for a Caddyfile or JSON", name)
	}
	// The warnings are those that "caddy run" and "caddy validate" print.
	adapted, _, err := adapter.Adapt(text, map[string]any{"filename": file})
	if err != nil {
		return nil, fmt.Errorf("read the configuration: %w", err)
	}
	return adapted, nil
}

func parseCommandConfig(text []byte, file string) (*commandConfig, error) {
	var parsed struct {
		Admin struct {
			Disabled bool   `json:"disabled"`
			Listen   string `json:"listen"`
		} `json:"admin"`
		Apps map[string]json.RawMessage `json:"apps"`
	}
	if err := json.Unmarshal(text, &parsed); err != nil {
		return nil, fmt.Errorf("the configuration %s is not valid JSON (--adapter names another format): %w", file, err)
	}
	c := &commandConfig{file: file, admin: parsed.Admin.Listen, app: parsed.Apps["merchants"]}
	switch {
	case parsed.Admin.Disabled:
		c.admin = "off"
	case c.admin == "":
		c.admin = caddy.DefaultAdminListen
	}
	return c, nil
}

// callOffline opens the database and makes one call in process.
func (c *commandConfig) callOffline(ctx context.Context, name string, input []byte) ([]byte, error) {
	known, ok := findCall(name)
	if !ok {
		return nil, fmt.Errorf("unknown call %q", name)
	}
	prepared, err := known.prepare(input)
	if err != nil {
		return nil, err
	}
	if err := c.mayOpen(ctx, known.name); err != nil {
		return nil, err
	}
	n, err := c.open(ctx)
	if err != nil {
		return nil, err
	}
	out, err := prepared(ctx, n, controlplane.LocalActor(operatorName()))
	if err != nil {
		return nil, errors.Join(err, n.close())
	}
	answer, err := encodeJSON(out)
	return answer, errors.Join(err, n.close())
}

// mayOpen keeps a command that needs something to be there from making an empty
// database: with another user's configuration or data directory it would answer
// from that one as if all merchants were gone.
func (c *commandConfig) mayOpen(ctx context.Context, name controlplane.Operation) error {
	if name == controlplane.OpStaffBootstrap || name == controlplane.OpMerchantCreate {
		return nil
	}
	config, err := c.nodeConfig(ctx)
	if err != nil {
		return err
	}
	guest, ok := config.store.(fileGuest)
	if !ok {
		return nil
	}
	path, found, err := guest.file()
	if err != nil || found {
		return err
	}
	return controlplane.Errorf(controlplane.CodeUnavailable, "there is no database at %s; run the command with the configuration and as the user of the server, "+
		"or make one: start the server, or run \"caddy merchants bootstrap\" or \"caddy merchants merchant create\"", path)
}

// open opens what a server with this configuration would open.
func (c *commandConfig) open(ctx context.Context) (callNode, error) {
	config, err := c.nodeConfig(ctx)
	if err != nil {
		return callNode{}, err
	}
	if err := ownFiles(config.store); err != nil {
		return callNode{}, err
	}
	n, err := openNode(ctx, config)
	return callNode{n, config}, err
}

// tryOpen says whether a server could start, and from which revision.
func (c *commandConfig) tryOpen(ctx context.Context) (revision int64, err error) {
	n, err := c.open(ctx)
	if err != nil {
		return 0, err
	}
	err = n.db.View(ctx, func(tx controlplane.Tx) (err error) {
		revision, err = tx.Revision(ctx)
		return err
	})
	return revision, errors.Join(err, n.close())
}

func (c *commandConfig) nodeConfig(ctx context.Context) (nodeConfig, error) {
	if c.app == nil {
		return nodeConfig{}, fmt.Errorf("the configuration %s has no merchants app; add the global option \"merchants\", or name another file with --config", c.file)
	}
	app := new(App)
	if err := caddy.StrictUnmarshalJSON(c.app, app); err != nil {
		return nodeConfig{}, fmt.Errorf("the merchants app in %s: %w", c.file, err)
	}
	modules, cancel := caddy.NewContext(caddy.Context{Context: ctx})
	defer cancel()
	if err := app.loadGuests(modules); err != nil {
		return nodeConfig{}, fmt.Errorf("the merchants app in %s: %w", c.file, err)
	}
	return app.nodeConfig(), nil
}

// ownFiles refuses to open, or make, the database as a user that it does not
// belong to: what root leaves behind, the server cannot open at its next start.
func ownFiles(guest storeGuest) error {
	path, err := guest.directory()
	if file, ok := guest.(fileGuest); ok && err == nil {
		path, _, err = file.file()
	}
	if err != nil {
		return err
	}
	for {
		info, err := os.Stat(path)
		if errors.Is(err, fs.ErrNotExist) && path != filepath.Dir(path) {
			path = filepath.Dir(path)
			continue
		}
		if err != nil {
			return err
		}
		return ownedBy(path, info, os.Geteuid())
	}
}

func ownedBy(path string, info fs.FileInfo, self int) error {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok || int(st.Uid) == self || info.IsDir() && self != 0 {
		return nil // what a directory lets others do, its mode says
	}
	owner := "user " + strconv.Itoa(int(st.Uid))
	if u, err := user.LookupId(strconv.Itoa(int(st.Uid))); err == nil {
		owner = u.Username
	}
	return fmt.Errorf("%s belongs to %s; run the command as %s (sudo -u %s …), so that the server can open what it leaves", path, owner, owner, owner)
}
