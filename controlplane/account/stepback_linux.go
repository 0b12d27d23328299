package account

import "syscall"

// niceness leaves a helper a tenth of a core that everything else wants too: a
// sign-in then takes longer, but does not wait until the flood is over.
const niceness = 10

// stepBack gives this thread a low priority. On Linux that is a thread's own.
func stepBack() error { return syscall.Setpriority(syscall.PRIO_PROCESS, 0, niceness) }
