package outbox_test

import "github.com/unknownpay/merchant-gateway/tests/teststore"

// stores are the databases of this package's tests.
var stores teststore.Stores
