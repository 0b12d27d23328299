package portal

import (
	"os"
	"testing"

	"github.com/unknownpay/merchant-gateway/tests/teststore"
)

// stores are the databases of this package's tests.
var stores teststore.Stores

func TestMain(m *testing.M) { os.Exit(stores.Around(m).Run()) }
