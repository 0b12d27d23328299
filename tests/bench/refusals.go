package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// bothSite takes keys of both environments.
const bothSite = `
	log
	merchant_auth
	reverse_proxy %s`

// refusing is a gateway with one merchant who has a live and a test key.
type refusing struct {
	*server
	live, test *loader
	stops      []func() error
}

func (r *refusing) stop() (err error) {
	for _, s := range r.stops {
		err = errors.Join(err, s())
	}
	return err
}

// open starts it with its upstream. What was started is to be stopped also after an
// error.
func (r *refusing) open(ctx context.Context, o options, dir string) error {
	upstream, stop, err := startUpstream()
	if err != nil {
		return err
	}
	r.stops = append(r.stops, stop)
	if r.server, err = startProxy(ctx, o, dir, "refusing", bothSite, upstream); err != nil {
		return err
	}
	r.stops = append(r.stops, r.server.stop)
	for environment, to := range map[string]**loader{"live": &r.live, "test": &r.test} {
		who, err := r.credentials(ctx, environment)
		if err != nil {
			return err
		}
		if *to, err = newLoader(who, o.connections); err != nil {
			return err
		}
	}
	return r.live.checkGate(r.server, 512)
}

// refusalRate is below the one from which on the gateway lets refusals wait.
const refusalRate = 900

// measureRefusals asks what a request costs that is refused, or signed by RFC 9421,
// to one that passes by UNK1.
func measureRefusals(ctx context.Context, o options, dir string, report *report) (err error) {
	r := &refusing{}
	defer func() { err = errors.Join(err, r.stop()) }()
	if err := r.open(ctx, o, dir); err != nil {
		return err
	}
	standard := *r.live
	standard.standard = true
	kinds := []struct {
		name string
		load *loader
	}{
		{"passed, UNK1", r.live}, {"passed, RFC 9421", &standard},
		{"unknown key", r.live.with(faultKey)}, {"address not listed", r.live.with(faultAddress)}, {"signed an hour ago", r.live.with(faultLate)},
		{"wrong signature, live key", r.live.with(faultSignature)}, {"wrong signature, test key", r.test.with(faultSignature)},
	}
	var subjects []subject
	for _, k := range kinds {
		k.load.rate = refusalRate
		one := k.load.subjects(512, r.server)[0]
		one.name = k.name
		subjects = append(subjects, one)
	}
	all, err := takeTurns(ctx, o, "refusals", subjects...)
	if err != nil {
		return err
	}
	rows := strings.NewReplacer("| body |", "| request |", "gated ÷ bare", "to one that passes", "gated ", "", "bare ", "passed ").Replace(proxyHead)
	bars := chart{title: "CPU per request, to one that passes = 1"}
	for i := 1; i < len(all); i++ {
		c := comparison{all[i], all[0]}
		rows += c.row(kinds[i].name) + "\n"
		bars.add("", kinds[i].name, c)
	}
	report.add("refusals", fmt.Sprintf("%d rounds of %s each in turn, %d requests/s over %d connections, 512 B; gateway on one core.", o.rounds, o.slice, refusalRate, o.connections), rows)
	report.draw("refusals", bars)
	return nil
}
