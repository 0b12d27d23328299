package delivery_test

import (
	"os"
	"testing"

	"go.uber.org/goleak"

	"github.com/unknownpay/merchant-gateway/tests/pgtest"
)

// server is the PostgreSQL of this package's tests.
var server pgtest.Server

// TestMain runs the test binary a second time as another process where a test
// kills one.
func TestMain(m *testing.M) {
	if role := os.Getenv(childRole); role != "" {
		child(role, os.Getenv(childDir))
	}
	goleak.VerifyTestMain(server.Around(m))
}
