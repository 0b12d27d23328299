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

// report collects what was measured, as Markdown: a section for each part.
type report struct {
	o        options
	sections []section
	charts   []namedChart
}

type section struct{ name, text string }

func newReport(o options) *report { return &report{o: o} }

// add puts a section together; how says how it was measured.
func (r *report) add(name, how, text string) {
	head := fmt.Sprintf("%s, %d cores, Go %s, %s. %s", processor(), runtime.NumCPU(), strings.TrimPrefix(runtime.Version(), "go"), time.Now().UTC().Format(time.DateOnly), how)
	if r.o.note != "" {
		head += " " + r.o.note
	}
	r.sections = append(r.sections, section{name, head + "\n\n" + text})
}

const proxyHead = "| body | CPU per request, gated ÷ bare | requests/s, gated ÷ bare | gated µs | bare µs | gated req/s | bare req/s | noise |\n|---|---|---|---:|---:|---:|---:|---|\n"

const peerHead = "| body | peer | CPU per request, gateway ÷ peer | requests/s, gateway ÷ peer | gateway µs | peer µs | gateway req/s | peer req/s | noise |\n|---|---|---|---|---:|---:|---:|---:|---|\n"

func (c comparison) row(name string) string {
	cpu, rps := c.ratios(slice.cpuEach), c.ratios(slice.perSecond)
	return fmt.Sprintf("| %s | %s | %s | %.1f | %.1f | %.0f | %.0f | ±%.0f %% |",
		name, spread(cpu), spread(rps),
		median(figures(c.gated, slice.cpuEach)), median(figures(c.bare, slice.cpuEach)),
		median(figures(c.gated, slice.perSecond)), median(figures(c.bare, slice.perSecond)), 50*c.noise())
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
	for _, s := range r.sections {
		fmt.Fprintf(&b, "%s: %s\n", s.name, s.text)
	}
	return b.String()
}

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

// replaceIn puts each section between its marks in a Markdown file.
func (r *report) replaceIn(file string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	for _, s := range r.sections {
		begin, end := fmt.Sprintf("<!-- measured %s: begin -->\n", s.name), fmt.Sprintf("<!-- measured %s: end -->\n", s.name)
		head, rest, found := strings.Cut(string(text), begin)
		_, tail, closed := strings.Cut(rest, end)
		if !found || !closed {
			return fmt.Errorf("%s has no section between %q and %q", file, strings.TrimSpace(begin), strings.TrimSpace(end))
		}
		text = []byte(head + begin + "\n" + s.text + "\n" + end + tail)
	}
	if err := os.WriteFile(file, text, 0o644); err != nil {
		return err
	}
	return r.writeCharts(file)
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

// measureUnits runs the benchmarks and keeps the lines with figures.
func measureUnits(ctx context.Context, _ options, _ string, r *report) error {
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
	r.add("units", "Go benchmarks of the parts.", "```text\n"+out.String()+"```\n")
	return nil
}
