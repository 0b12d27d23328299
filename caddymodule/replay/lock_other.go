//go:build !(darwin || dragonfly || freebsd || linux || netbsd || openbsd)

package replay

import (
	"errors"
	"os"
)

// lock refuses: two processes on one directory would each accept the same nonce.
func lock(*os.File) error { return errors.ErrUnsupported }
