package lastgood

import (
	"crypto/rand"
	"os"
	"path/filepath"
	"strconv"
	"testing"
)

// benchKeys is how many keys a file has; LASTGOOD_BENCH_KEYS=1000000 is the measure.
func benchKeys(b *testing.B) int {
	n := 50_000
	if text := os.Getenv("LASTGOOD_BENCH_KEYS"); text != "" {
		var err error
		n, err = strconv.Atoi(text)
		check(b, err)
	}
	return n
}

func BenchmarkWrite(b *testing.B) {
	root, path, rec := newRoot(b), filepath.Join(b.TempDir(), "f"), recordOf(b, benchKeys(b))
	for b.Loop() {
		check(b, Write(path, root, rec, rand.Reader))
	}
	info, err := os.Stat(path)
	check(b, err)
	b.ReportMetric(float64(info.Size())/1e6, "MB")
}

func BenchmarkRead(b *testing.B) {
	root, path := newRoot(b), filepath.Join(b.TempDir(), "f")
	check(b, Write(path, root, recordOf(b, benchKeys(b)), rand.Reader))
	for b.Loop() {
		_, err := Read(path, source, only(root))
		check(b, err)
	}
}
