package delivery_test

import (
	"os"
	"testing"

	"go.uber.org/goleak"
)

// TestMain runs the test binary a second time as another process where a test
// kills one.
func TestMain(m *testing.M) {
	if role := os.Getenv(childRole); role != "" {
		child(role, os.Getenv(childDir))
	}
	goleak.VerifyTestMain(m)
}
