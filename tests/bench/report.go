package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"time"
)

// report collects what was measured, as Markdown.
type report struct {
	o    options
	rows []string
	gos  string
}

func newReport(o options) *report { return &report{o: o} }

func (r *report) add(name string, c comparison) {
	cpu, rps := c.ratios(slice.cpuEach), c.ratios(slice.perSecond)
	r.rows = append(r.rows, fmt.Sprintf("| %s | %s | %s | %.1f | %.1f | %.0f | %.0f | ±%.0f %% |",
		name, spread(cpu), spread(rps),
		median(figures(c.gated, slice.cpuEach)), median(figures(c.bare, slice.cpuEach)),
		median(figures(c.gated, slice.perSecond)), median(figures(c.bare, slice.perSecond)), 50*c.noise()))
}

func figures(s []slice, figure func(slice) float64) []float64 {
	out := make([]float64, len(s))
	for i := range s {
		out[i] = figure(s[i])
	}
	return out
}

func median(v []float64) float64 {
	v = slices.Sorted(slices.Values(v))
	if n := len(v); n%2 == 0 {
		return (v[n/2-1] + v[n/2]) / 2
	}
	return v[len(v)/2]
}

// spread prints "median (lowest–highest)".
func spread(v []float64) string {
	return fmt.Sprintf("**%.2f** (%.2f–%.2f)", median(v), slices.Min(v), slices.Max(v))
}

func (r *report) text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s, %s, Go %s, %s. %d rounds of %s each in turn, %d connections; proxy on one core, load and upstream on the rest; GOGC=off, GOMEMLIMIT=512MiB.\n\n",
		processor(), cores(), strings.TrimPrefix(runtime.Version(), "go"), time.Now().UTC().Format(time.DateOnly), r.o.rounds, r.o.slice, r.o.connections)
	b.WriteString("| body | CPU per request, gated ÷ bare | requests/s, gated ÷ bare | gated µs | bare µs | gated req/s | bare req/s | noise |\n|---|---|---|---:|---:|---:|---:|---|\n")
	b.WriteString(strings.Join(r.rows, "\n") + "\n")
	if r.gos != "" {
		b.WriteString("\n```text\n" + r.gos + "```\n")
	}
	return b.String()
}

func cores() string { return fmt.Sprintf("%d cores", runtime.NumCPU()) }

func processor() string {
	text, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return runtime.GOARCH
	}
	for line := range strings.Lines(string(text)) {
		if name, found := strings.CutPrefix(line, "model name"); found {
			return strings.Trim(name, "\t :\n")
		}
	}
	return runtime.GOARCH
}

const (
	beginMark = "<!-- measured: begin -->\n"
	endMark   = "<!-- measured: end -->"
)

// replaceIn puts the text between the marks of a Markdown file.
func (r *report) replaceIn(file string) error {
	old, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	head, rest, found := strings.Cut(string(old), beginMark)
	_, tail, closed := strings.Cut(rest, endMark)
	if !found || !closed {
		return fmt.Errorf("%s has no section between %q and %q", file, strings.TrimSpace(beginMark), endMark)
	}
	return os.WriteFile(file, []byte(head+beginMark+"\n"+r.text()+"\n"+endMark+tail), 0o644)
}

// suites are the Go benchmarks of the parts, with what each needs.
var suites = [...]struct{ pkg, bench, time string }{
	{"./controlplane/signature", "VerifyUNK1|VerifyRFC9421|ParseUNK1|Sum", "1s"},
	{"./caddymodule/gate", "Gate|Admit|Refuse", "1s"},
	{"./caddymodule/replay", "Use|MemoryPerNonce", "1s"},
	{"./controlplane", "SnapshotMemory|SnapshotKey|SnapshotApply|Allowlist", "1s"},
	{"./controlplane", "FollowerLoad", "1x"},
	{"./controlplane", "Enforcement", "200x"},
	{"./controlplane/store", "Update", "1s"},
}

// goBenchmarks keeps the lines with figures.
func goBenchmarks(ctx context.Context, r *report) error {
	var out strings.Builder
	for _, s := range suites {
		fmt.Fprintln(os.Stderr, "go test -bench", s.bench, s.pkg)
		cmd := exec.CommandContext(ctx, "go", "test", "-run=^$", "-bench="+s.bench, "-benchtime="+s.time, "-benchmem", "-timeout=20m", s.pkg)
		cmd.Env = append(os.Environ(), "FOLLOWER_BENCH_KEYS=1000000") // filling the database takes minutes
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		text, err := cmd.Output()
		if err != nil {
			return fmt.Errorf("benchmarks of %s: %w\n%s%s", s.pkg, err, text, stderr.String())
		}
		for line := range strings.Lines(string(text)) {
			if strings.HasPrefix(line, "Benchmark") {
				out.WriteString(line)
			}
		}
	}
	r.gos = out.String()
	return nil
}
