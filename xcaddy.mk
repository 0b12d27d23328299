# make -f xcaddy.mk help

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

ifeq (,$(shell command -v go))
$(error Go is not on the PATH: install Go 1.26 or newer from https://go.dev/dl/)
endif

# Without cgo, go-sqlite3 is a stub that fails at run time; xcaddy turns cgo off
# unless the environment says otherwise.
export CGO_ENABLED := 1

MODULE := github.com/unknownpay/merchant-gateway
CADDY_VERSION := $(shell go list -m -f '{{.Version}}' github.com/caddyserver/caddy/v2)
XCADDY_VERSION := v0.4.5
GOLANGCI_VERSION := v2.15.0
GOVULNCHECK_VERSION := v1.9.0

# What "caddy build-info" says of this module: a tag, or a pseudo-version of the
# commit, so that a running binary can be traced to its source.
VERSION ?= $(shell git describe --tags --exact-match --match 'v*' 2>/dev/null \
	|| TZ=UTC git show -s --date=format-local:%Y%m%d%H%M%S --abbrev=12 --format=v0.0.0-%cd-%h HEAD 2>/dev/null \
	|| echo v0.0.0)

# The tags leave out three databases of Caddy's step-ca dependency that nothing here
# opens, as xcaddy does by default. The profile is written by the bench: BENCHFLAGS='-parts profile'.
BUILD_FLAGS := -pgo=$(CURDIR)/default.pgo -trimpath -tags=nobadger,nomysql,nopgx '-ldflags=-s -w'

CACHE := $(CURDIR)/.cache
# What tests have proven of OWASP ASVS, one line each.
PROOFS := $(CACHE)/asvs
BIN := $(CURDIR)/bin
XCADDY := $(BIN)/xcaddy-$(XCADDY_VERSION)
GOLANGCI := $(BIN)/golangci-lint-$(GOLANGCI_VERSION)
GOVULNCHECK := $(BIN)/govulncheck-$(GOVULNCHECK_VERSION)

# Packages in which goroutines meet; their tests run a second time under the race
# detector.
RACE_PACKAGES := ./caddymodule/... ./controlplane/...

TESTFLAGS ?= -count=1
FUZZTIME ?= 60s
BENCHFLAGS ?=
ASVSFLAGS ?=

.PHONY: asvs browser cluster help build run test cover postgres race thirdparty lint bench soak fuzz clean

help: ## list the targets
	@awk -F':.*## ' '/^[a-z]+:.*## / { printf "  %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# xcaddy compiles in a folder of its own. The -modfile makes it use this checkout
# and exactly the versions of its go.mod and go.sum, so that what runs in production
# is what the tests ran.
build: $(XCADDY) ## build ./caddy with this module
	@mkdir -p $(CACHE)/xcaddy
	@cp go.mod go.sum $(CACHE)/xcaddy/
	@go mod edit -module=caddy -require=$(MODULE)@$(VERSION) -replace=$(MODULE)=$(CURDIR) $(CACHE)/xcaddy/go.mod
	@echo "building ./caddy: Caddy $(CADDY_VERSION), merchant gateway $(VERSION) (the first build takes minutes)"
	@XCADDY_GO_BUILD_FLAGS="-modfile=$(CACHE)/xcaddy/go.mod $(BUILD_FLAGS)" \
		$(XCADDY) build $(CADDY_VERSION) --output ./caddy \
		--with $(MODULE)/caddymodule --replace $(MODULE)=. \
		>$(CACHE)/xcaddy/log 2>&1 || { tail -n 40 $(CACHE)/xcaddy/log >&2; exit 1; }

run: build ## start a demo: gateway, demo upstream and demo merchant on loopback
	@exec ./tests/demo/run.sh ./caddy

test: build cover postgres race thirdparty browser asvs ## everything CI runs

# The npm packages that tests run. The lock file decides which.
NPM := tests/npm/node_modules/.package-lock.json
AXE := tests/browser/node_modules/.package-lock.json
$(NPM) $(AXE): tests/%/node_modules/.package-lock.json: tests/%/package-lock.json
	npm ci --prefix tests/$* --ignore-scripts --no-audit --no-fund

# One invocation vets and tests every package and counts, per package, the lines that
# the whole suite reaches. A "go vet" of its own would look at all of Caddy once more.
cover: $(NPM)
	@mkdir -p $(CACHE)
	@rm -f $(PROOFS)
	ASVS_PROOFS=$(PROOFS) go test $(TESTFLAGS) -timeout=30m -vet=all -coverpkg=./... -coverprofile=$(CACHE)/cover.out ./...
	go run ./tests/structure/coverage $(CACHE)/cover.out

# The layers above the store on PostgreSQL; those below run on both databases by
# themselves. Left out is what is about SQLite's files:
# - they are searched for secrets;
# - commands work on them without a server, and print their paths;
# - a start must not make one, or opens another program's;
# - a killed server leaves one behind (tests/cluster kills those on PostgreSQL).
ON_POSTGRES := ./controlplane ./controlplane/outbox ./controlplane/account ./caddymodule ./portal
ON_SQLITE_ONLY := TestProofsAreNowhereInTheClear|TestIssuedSecretsAreNowhereInTheClear|TestScripts|TestCLI|TestCommands|TestUnsafeConfigurations|TestConfigurationsThatCannotStart|TestValidateTouchesNothing|TestKill
postgres: $(NPM) ## the tests of gateway, portal, sign-in and webhooks on PostgreSQL
	TEST_STORE=postgres go test $(TESTFLAGS) -timeout=30m -vet=off -skip='$(ON_SQLITE_ONLY)|Fuzz' $(ON_POSTGRES)

race: $(NPM)
	go test $(TESTFLAGS) -timeout=30m -vet=off -race $(RACE_PACKAGES)

# Other people's libraries for RFC 9421, in a module of their own. Its go.mod follows
# this one's by -mod=mod: commit what that changes.
thirdparty:
	cd tests/thirdparty && go test -mod=mod $(TESTFLAGS) -timeout=10m ./...

# The portal in Debian's Chromium, in a module of its own.
browser: build $(AXE)
	cd tests/browser && CADDY=$(CURDIR)/caddy ASVS_PROOFS=$(PROOFS) go test $(TESTFLAGS) -timeout=20m ./...

# A requirement of OWASP ASVS that no test of this run has proven is an error, and so
# is another list of them in docs/ASVS.md; ASVSFLAGS=-update writes it.
asvs: cover browser
	go run ./tests/asvs/report $(ASVSFLAGS) $(PROOFS) docs/ASVS.md

lint: $(GOLANGCI) $(GOVULNCHECK) ## golangci-lint and govulncheck
	$(GOLANGCI) run ./...
	@$(GOVULNCHECK) ./... || { code=$$?; \
		[ $$code -ne 3 ] || exit 1; \
		echo "govulncheck did not run (exit status $$code): it needs the vulnerability database at https://vuln.go.dev" >&2; }

bench: ## measure against bare reverse_proxy and a bare HTTP client, print the figures
	go run ./tests/bench $(BENCHFLAGS)

# What a few seconds show in the tests, shown for long: killed 50 times, ten minutes
# with readers that hold transactions, and 20 storms.
soak: ## ingest and deliver for ten minutes, kill it 50 times
	WEBHOOK_SOAK=10m WEBHOOK_CRASH_ROUNDS=50 go test -count=1 -timeout=30m -v -run='TestSoak|TestKill' ./controlplane/delivery
	WEBHOOK_STORMS=20 go test -race -count=1 -timeout=60m -run='InAStorm' ./controlplane/delivery

# What tests/cluster shows in minutes, at full size. With CLUSTER_OLDER=<a caddy that was
# built from an older commit> the upgrade is from that one; its docs/postgres-roles.sql
# lies beside it as <that caddy>.sql.
cluster: ## several servers, PostgreSQL and Redis: kill, cut off, replace
	CLUSTER=whole go test -count=1 -timeout=30m -v ./tests/cluster

# Go now and then fails a target at the end of its time with "context deadline
# exceeded". A second run tells: what a first one found is a seed of the second.
fuzz: ## run every fuzz target for FUZZTIME (60s)
	@go test -list '^Fuzz' ./... | awk '/^Fuzz/ { names[n++] = $$1 } /^ok/ { for (i = 0; i < n; i++) print $$2, names[i]; n = 0 }' | \
	while read -r package name; do \
		echo "== $$name in $$package for $(FUZZTIME)"; \
		fuzz() { go test -run='^$$' -fuzz="^$$name\$$" -fuzztime=$(FUZZTIME) "$$package" </dev/null; }; \
		fuzz || fuzz; \
	done

clean: ## remove what the targets made, but not .data
	rm -rf ./caddy $(BIN) $(CACHE) tests/npm/node_modules

# A tool's version is part of its file's name, so a changed pin installs anew, and
# its own go.sum decides what it is built from, not this module's.
$(XCADDY): TOOL := github.com/caddyserver/xcaddy/cmd/xcaddy@$(XCADDY_VERSION)
$(GOLANGCI): TOOL := github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI_VERSION)
$(GOVULNCHECK): TOOL := golang.org/x/vuln/cmd/govulncheck@$(GOVULNCHECK_VERSION)
$(XCADDY) $(GOLANGCI) $(GOVULNCHECK):
	@mkdir -p $(BIN)
	@echo "installing $(TOOL)"
	@GOBIN=$@.new CGO_ENABLED=0 go install $(TOOL)
	@mv $@.new/* $@ && rmdir $@.new
