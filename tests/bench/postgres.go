package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/unknownpay/merchant-gateway/tests/pgtest"
)

// sharedKinds are the ways to load a server that are compared on both databases.
func sharedKinds() []kind {
	return slices.DeleteFunc(kinds(), func(k kind) bool {
		return k.endpoints == 1 || k.endpoints == manyEndpoints || k.rate != 0
	})
}

// measurePostgres fills the report with one server on PostgreSQL against one on
// SQLite, with the same receivers. PostgreSQL writes to the disk as in production.
func measurePostgres(ctx context.Context, h *host, o options, dir string, report *report) (err error) {
	database := &pgtest.Server{Durable: true}
	h.Cleanup(func() {
		if err := database.Stop(); err != nil {
			h.Error(err)
		}
	})
	raw := database.Database(h)
	store, err := postgresStore(dir, raw)
	if err != nil {
		return err
	}
	const endpoints = 100
	receivers, err := startReceivers(dir, endpoints)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, receivers.server.Close()) }()
	var labs [2]*lab
	for i, name := range []string{"on-sqlite", "on-postgres"} {
		if labs[i], err = newLabOn(ctx, o, dir, name, [...]string{"", store}[i], receivers); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, labs[i].server.stop()) }()
		for _, url := range receivers.urls[:endpoints] {
			m, err := labs[i].add(ctx, url+pathGood)
			if err != nil {
				return err
			}
			labs[i].merchants = append(labs[i].merchants, m)
		}
	}
	rows, err := inTurn(ctx, o, labs[0], labs[1], &backends{db: pgtest.Open(h, raw)})
	if err != nil {
		return err
	}
	how := fmt.Sprintf("%d rounds of %s each in turn; HTTPS, %d requests of the backend at once; backend, server, receivers and PostgreSQL on all cores; every commit waits for the disk.", o.rounds, o.slice, producers)
	report.add("postgres", how, postgresHead+rows)
	return nil
}

// postgresStore is the line of a store whose password is in a file.
func postgresStore(dir, raw string) (string, error) {
	u, err := url.Parse(raw)
	if err != nil {
		return "", err
	}
	password, _ := u.User.Password()
	u.User = url.User(u.User.Username())
	file := filepath.Join(dir, "postgres-password")
	err = os.WriteFile(file, []byte(password), 0o600)
	return fmt.Sprintf("postgres %s {\n\t\t\tpassword_file %s\n\t\t\tstate_dir %s/postgres-state\n\t\t}", u, file, dir), err
}

const postgresHead = "| what | per second, PostgreSQL ÷ SQLite | PostgreSQL, events/s | SQLite, events/s | PostgreSQL: CPU ms per 1,000, server + database | SQLite: CPU ms per 1,000 |\n|---|---|---:|---:|---:|---:|\n"

// inTurn runs every kind on both databases, round by round. The first round warms up.
func inTurn(ctx context.Context, o options, own, shared *lab, b *backends) (rows string, err error) {
	for _, k := range sharedKinds() {
		if !strings.Contains(k.name, o.only) {
			continue
		}
		var ratio, there, here, server, database, alone []float64
		for round := range o.rounds + 1 {
			fmt.Fprintf(os.Stderr, "\r%-40s round %d of %d", k.name, round, o.rounds)
			a, err := own.pass(ctx, k)
			if err != nil {
				return "", fmt.Errorf("%s on SQLite: %w", k.name, err)
			}
			before, err := b.cpu(ctx)
			if err != nil {
				return "", err
			}
			p, err := shared.pass(ctx, k)
			if err != nil {
				return "", fmt.Errorf("%s on PostgreSQL: %w", k.name, err)
			}
			after, err := b.cpu(ctx)
			if err != nil {
				return "", err
			}
			if round == 0 {
				continue
			}
			ratio = append(ratio, k.speed(p)/k.speed(a))
			there, here = append(there, k.speed(p)), append(here, k.speed(a))
			server, alone = append(server, p.cpuMillis()), append(alone, a.cpuMillis())
			p.cpu = after - before
			database = append(database, p.cpuMillis())
		}
		rows += fmt.Sprintf("| %s | %s | %.0f | %.0f | %.0f + %.0f | %.0f |\n", k.name, spread(ratio), median(there), median(here), median(server), median(database), median(alone))
	}
	fmt.Fprintln(os.Stderr)
	return rows, nil
}

// speed is of what the kind is about: events that arrive, or that are taken in.
func (k kind) speed(p passage) float64 {
	if k.endpoints > 0 {
		return p.perSecond()
	}
	return p.intakeRate()
}

// backends are the processes of a PostgreSQL.
type backends struct{ db *sql.DB }

// cpu is the processor time charged to all of them so far, those that have ended
// included: their parent has been charged with it.
func (b *backends) cpu(ctx context.Context) (time.Duration, error) {
	var pid int
	if err := b.db.QueryRowContext(ctx, `SELECT pg_backend_pid()`).Scan(&pid); err != nil {
		return 0, err
	}
	one, err := readProcess(pid)
	if err != nil {
		return 0, err
	}
	top, err := readProcess(one.parent)
	if err != nil {
		return 0, err
	}
	sum := top.cpu + top.waited
	files, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		return 0, err
	}
	for _, file := range files {
		pid, err := strconv.Atoi(filepath.Base(file))
		if err != nil {
			return 0, err
		}
		if p, err := readProcess(pid); err == nil && p.parent == one.parent {
			sum += p.cpu
		}
	}
	return sum, nil
}

// processTimes are of one process, and of its children that have ended.
type processTimes struct {
	parent      int
	cpu, waited time.Duration
}

func readProcess(pid int) (p processTimes, err error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return p, err
	}
	// The name in parentheses may hold anything; the fields after it do not.
	fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
	numbers := make([]int64, 0, 5)
	for _, i := range []int{1, 11, 12, 13, 14} {
		n, err := strconv.ParseInt(fields[i], 10, 64)
		if err != nil {
			return p, err
		}
		numbers = append(numbers, n)
	}
	const tick = 10 * time.Millisecond // USER_HZ is 100 on every Linux that Go runs on
	return processTimes{int(numbers[0]), time.Duration(numbers[1]+numbers[2]) * tick, time.Duration(numbers[3]+numbers[4]) * tick}, nil
}
