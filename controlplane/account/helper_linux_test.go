package account

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

// helperMode says in the environment what a helper of these tests does.
const helperMode = "ACCOUNT_TEST_HELPER"

func TestMain(m *testing.M) {
	switch os.Getenv(helperMode) {
	case "":
		os.Exit(stores.Around(m).Run())
	case "serve":
		if err := ServeHashes(os.Stdin, os.Stdout); err != nil {
			os.Exit(1)
		}
	case "hang":
		io.Copy(io.Discard, os.Stdin)
	case "fail":
		os.Exit(7)
	}
}

// handedOver is a Hasher whose helpers are this program in a mode, and what it
// reports.
func handedOver(t *testing.T, mode string) (*Hasher, func() []error) {
	t.Helper()
	leaks := goleak.IgnoreCurrent()
	var mu sync.Mutex
	var faults []error
	h := NewHasher(HasherConfig{Slots: 2})
	h.HandOver(func() (*exec.Cmd, error) {
		cmd := exec.Command("/proc/self/exe")
		cmd.Env = []string{helperMode + "=" + mode}
		return cmd, nil
	}, func(err error) {
		mu.Lock()
		defer mu.Unlock()
		faults = append(faults, err)
	})
	t.Cleanup(func() { goleak.VerifyNone(t, leaks) })
	t.Cleanup(h.Close)
	return h, func() []error {
		mu.Lock()
		defer mu.Unlock()
		return faults
	}
}

func hashed(t *testing.T, h *Hasher, password string) controlplane.Secret {
	t.Helper()
	hash, err := h.Hash(t.Context(), secret(password))
	if err != nil {
		t.Fatal(err)
	}
	return hash
}

// matches checks a hash in this process.
func matches(t *testing.T, hash controlplane.Secret, password string) bool {
	t.Helper()
	ok, _, err := NewHasher(HasherConfig{}).Verify(t.Context(), hash, secret(password))
	return ok && err == nil
}

func TestHelpersHashAsThisProcessDoes(t *testing.T) {
	h, faults := handedOver(t, "serve")
	var all sync.WaitGroup
	for _, password := range []string{"", "correct horse battery staple", "ฝนตกที่ภูเก็ตวันอังคารนี้", strings.Repeat("💸", MaxPassword)} {
		all.Go(func() {
			if hash := hashed(t, h, password); !matches(t, hash, password) || matches(t, hash, password+"x") {
				t.Errorf("%q is hashed as %s", password, hash.Reveal())
			}
		})
	}
	all.Wait()
	if f := faults(); f != nil {
		t.Error(f)
	}
	if n := len(h.helpers.idle); n < 1 || n > 2 {
		t.Errorf("%d helpers for two slots", n)
	}
}

func TestHelperWorksAgainAndEndsWhenIdle(t *testing.T) {
	h, faults := handedOver(t, "serve")
	hashed(t, h, "one")
	first := h.helpers.idle[0]
	hashed(t, h, "two")
	if h.helpers.idle[0] != first {
		t.Error("every hash has a helper of its own")
	}
	first.rest.Reset(0) // as if a minute had passed
	if err := <-first.ended; err != nil {
		t.Errorf("an idle helper ended with %v", err)
	}
	if hash := hashed(t, h, "three"); !matches(t, hash, "three") || faults() != nil {
		t.Errorf("after a rest: %v", faults())
	}
}

func TestHelperHasALowPriority(t *testing.T) {
	h, _ := handedOver(t, "serve")
	hashed(t, h, "one")
	tasks, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", h.helpers.idle[0].process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	lowest := 20
	for _, task := range tasks {
		id, err := strconv.Atoi(task.Name())
		if err != nil {
			t.Fatal(err)
		}
		p, err := syscall.Getpriority(syscall.PRIO_PROCESS, id)
		if err != nil {
			t.Fatal(err)
		}
		lowest = min(lowest, p)
	}
	// The kernel's answer is 20 less the niceness (getpriority(2)).
	if lowest != 20-niceness {
		t.Errorf("the lowest priority is %d; want %d", lowest, 20-niceness)
	}
}

func TestPeopleSignInWithoutHelpers(t *testing.T) {
	for mode, want := range map[string]string{"fail": "exit status 7", "hang": "killed"} {
		t.Run(mode, func(t *testing.T) {
			h, faults := handedOver(t, mode)
			h.helpers.patience = 100 * time.Millisecond
			if hash := hashed(t, h, "one"); !matches(t, hash, "one") {
				t.Error("a wrong hash")
			}
			if f := faults(); len(f) != 1 || !strings.Contains(f[0].Error(), want) {
				t.Errorf("reported: %v; want %q", f, want)
			}
		})
	}
}

func TestClosedHasherHashesHere(t *testing.T) {
	h, faults := handedOver(t, "serve")
	hashed(t, h, "one")
	h.Close()
	if hash := hashed(t, h, "two"); !matches(t, hash, "two") || len(faults()) != 1 {
		t.Errorf("reported: %v", faults())
	}
}

func FuzzReadQuestion(f *testing.F) {
	f.Add([]byte{})
	var good bytes.Buffer
	if err := (question{presentCost, make([]byte, saltLength), []byte("password")}).write(&good); err != nil {
		f.Fatal(err)
	}
	f.Add(good.Bytes())
	f.Add(good.Bytes()[:20])
	f.Add(bytes.Repeat([]byte{0xff}, 64))
	f.Fuzz(func(t *testing.T, text []byte) {
		q, err := readQuestion(bytes.NewReader(text))
		if err != nil {
			return
		}
		if q.memory > memoryKiB || q.time > iterations || len(q.password) > maxQuestion {
			t.Fatalf("a question that costs too much: %+v", q.cost)
		}
		var again bytes.Buffer
		if err := q.write(&again); err != nil || !bytes.HasPrefix(text, again.Bytes()) {
			t.Fatalf("read %+v from %x, which is written as %x, %v", q, text, again.Bytes(), err)
		}
	})
}
