package main

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/unknownpay/merchant-gateway/controlplane"
	"github.com/unknownpay/merchant-gateway/controlplane/store"
)

const (
	// waitingEvents wait for recovering endpoints when the server is killed.
	waitingEvents = 1_000_000
	recovering    = 100
	// killAfter is how long the server delivers before it is killed.
	killAfter = 2 * time.Second
)

// measureRecovery asks how long a server that was killed takes to its first
// redelivery, with a million deliveries waiting.
func measureRecovery(ctx context.Context, o options, dir string, report *report) (err error) {
	receivers, err := startReceivers(dir, recovering)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, receivers.server.Close()) }()
	l, err := newLab(ctx, o, dir, "recovering", receivers)
	if err != nil {
		return err
	}
	for _, url := range receivers.urls {
		if _, err := l.add(ctx, url+pathGood); err != nil {
			return errors.Join(err, l.server.stop())
		}
	}
	if err := l.server.stop(); err != nil {
		return err
	}
	if err := fill(ctx, filepath.Join(dir, "recovering", "m.db")); err != nil {
		return fmt.Errorf("fill: %w", err)
	}
	rows := "| start | first webhook after, s | listening after, s | memory at most, MB |\n|---|---:|---:|---:|\n"
	for round := range o.rounds + 1 {
		fmt.Fprintf(os.Stderr, "\rrecovery: round %d of %d", round, o.rounds)
		row, err := l.recovery(ctx, dir)
		if err != nil {
			return err
		}
		if round > 0 { // before the first, nobody was killed
			rows += fmt.Sprintf("| %d | %s |\n", round, row)
		}
	}
	fmt.Fprintln(os.Stderr)
	report.add("recovery", fmt.Sprintf("%d deliveries wait for %d endpoints; the server delivers for %s and is killed with SIGKILL.", waitingEvents, recovering, killAfter), rows)
	return nil
}

// recovery starts the server, and kills it after a while.
func (l *lab) recovery(ctx context.Context, dir string) (row string, err error) {
	f := newFlow()
	l.receivers.flow.Store(f)
	if l.server, err = l.launch.start(ctx, l.o, dir); err != nil {
		return "", err
	}
	listening := time.Since(f.start)
	time.Sleep(killAfter)
	peak, err := l.server.proc("status", "VmHWM:")
	if err = errors.Join(err, l.server.kill()); err != nil {
		return "", err
	}
	first := f.first()
	if first == 0 {
		return "", errors.New("nothing was delivered")
	}
	return fmt.Sprintf("%.2f | %.2f | %d", first.Seconds(), listening.Seconds(), peak/1000), nil
}

// first is when the first event arrived, 0 if none has.
func (f *flow) first() (first time.Duration) {
	for i := range f.arrived {
		if at := time.Duration(f.arrived[i].Load()); at > 0 && (first == 0 || at < first) {
			first = at
		}
	}
	return first
}

// fill writes what waits into the database of a server that does not run.
func fill(ctx context.Context, path string) (err error) {
	db, err := store.OpenSQLite(ctx, store.SQLiteConfig{Path: path})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	const group = 5000
	for from := 0; from < waitingEvents; from += group {
		err := db.Update(ctx, func(tx controlplane.Tx) error {
			for i := from; i < from+group; i++ {
				if err := wait(ctx, tx, i); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
		fmt.Fprintf(os.Stderr, "\rrecovery: %d deliveries wait", from+group)
	}
	return nil
}

// wait writes an event with its delivery, for the endpoints in turn.
func wait(ctx context.Context, tx controlplane.Tx, i int) error {
	now := time.Now().UTC()
	target, err := tx.EndpointTarget(ctx, int64(1+i%recovering))
	if err != nil {
		return err
	}
	e := target.Endpoint
	event := controlplane.Event{MerchantID: e.MerchantID, Environment: e.Environment, Type: controlplane.EventDepositSuccess, CreatedAt: now,
		Body: fmt.Appendf(nil, `{"type":"deposit.success","timestamp":"2026-07-01T12:00:00Z","environment":"test","data":{"n":%d,"amount":"1500.00"}}`, i%maxFlow)}
	binary.BigEndian.PutUint64(event.KeyHash[:], uint64(i))
	if _, err := rand.Read(event.KeyHash[8:]); err != nil {
		return err
	}
	if event.ID, err = controlplane.NewID(controlplane.PrefixEvent, now, rand.Reader); err != nil {
		return err
	}
	if event, _, err = tx.InsertEvent(ctx, event); err != nil {
		return err
	}
	d := controlplane.Delivery{MerchantID: e.MerchantID, Environment: e.Environment, EndpointRow: e.Row, EventRow: event.Row, Type: event.Type,
		State: controlplane.DeliveryPending, CreatedAt: now, NextAt: now}
	if d.ID, err = controlplane.NewID(controlplane.PrefixDelivery, now, rand.Reader); err != nil {
		return err
	}
	_, err = tx.InsertDelivery(ctx, d)
	return err
}
