package caddymodule

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

// nodesOf are those in the database.
func (s *site) nodesOf() (all []controlplane.Node) {
	s.t.Helper()
	check(s.t, s.node().db.View(s.t.Context(), func(tx controlplane.Tx) (err error) {
		all, err = tx.Nodes(s.t.Context(), time.Time{}, 10)
		return err
	}))
	return all
}

func (s *site) status() systemStatus {
	s.t.Helper()
	out, err := statusCall(s.t.Context(), callNode{s.node(), s.app().nodeConfig()}, operator, struct{}{})
	check(s.t, err)
	return out
}

func TestNodesSeeEachOther(t *testing.T) {
	s, _, server := startShared(t)
	s.merchants += "\nnode_name first"
	check(t, s.load())
	eventually(t, "the node tells of itself", func() bool { return len(s.nodesOf()) == 1 })
	me := s.nodesOf()[0]
	if id := s.status().Nodes[0].ID; id != me.ID || !strings.HasPrefix(id, controlplane.PrefixNode) {
		t.Errorf("status has the node %s, the database %+v", id, me)
	}
	old := controlplane.Node{ID: "nod_old", Name: "another", Roles: []controlplane.NodeRole{controlplane.NodeGateway}, Version: "v0", Replay: "redis", SeenAt: time.Now(), ConfirmedAt: time.Now().Add(-time.Minute), Revision: 2, Newest: 5}
	gone := controlplane.Node{ID: "nod_gone", Name: "gone", SeenAt: time.Now().Add(-time.Hour)}
	forgotten := controlplane.Node{ID: "nod_lost", Name: "lost", SeenAt: time.Now().Add(-25 * time.Hour)}
	check(t, s.node().db.Update(t.Context(), func(tx controlplane.Tx) (err error) {
		for _, n := range []controlplane.Node{old, gone, forgotten} {
			if err == nil {
				err = tx.SaveNode(t.Context(), n)
			}
		}
		return err
	}))
	got := ""
	for _, n := range s.status().Nodes {
		got += fmt.Sprintf("%s %v %v behind %d: %s\n", n.Name, n.Roles, n.Answers, n.Behind, n.words())
	}
	const want = "another [gateway] false behind 3: lags, 3 revisions behind, another version\n" +
		"first [gateway events delivery] true behind 0: remembers nonces for itself: use replay redis, answers\n" +
		"gone [] false behind 0: silent\n"
	if got != want {
		t.Errorf("status:\n%swant\n%s", got, want)
	}
	s.stop()
	check(t, s.load())
	if id := s.status().Nodes[1].ID; id != me.ID {
		t.Errorf("after a restart the node is %s, was %s", id, me.ID)
	}
	server.Halt(t)
	if n := s.status().Nodes; len(n) != 1 || n[0].Name != "first" {
		t.Errorf("without the database: %+v", n)
	}
	server.Resume(t)
}

// A copy of a machine has a copy of its id. The one that started first gives way.
func TestNodeGivesWayToACopyOfItself(t *testing.T) {
	s, _, _ := startShared(t)
	eventually(t, "the node tells of itself", func() bool { return len(s.nodesOf()) == 1 })
	var said []error
	directory, err := s.app().store.directory()
	check(t, err)
	first := newHeartbeat(s.node(), directory, s.app().data.about, func(err error) { said = append(said, err) })
	second := newHeartbeat(s.node(), directory, s.app().data.about, func(err error) { t.Error(err) })
	id := *first.id.Load()
	for range 3 {
		second.beat(t.Context())
		first.beat(t.Context())
	}
	if *second.id.Load() != id || *first.id.Load() == id || len(said) != 1 || !strings.Contains(said[0].Error(), "state_dir of its own") {
		t.Errorf("%s and %s of %s: %v", *first.id.Load(), *second.id.Load(), id, said)
	}
}

func TestNodeIDThatCannotBeReadIsReplacedForNow(t *testing.T) {
	dir := t.TempDir()
	made, err := keptNodeID(filepath.Join(dir, "new"))
	check(t, err)
	if kept, err := keptNodeID(filepath.Join(dir, "new")); err != nil || kept != made {
		t.Errorf("%s became %s, %v", made, kept, err)
	}
	check(t, os.WriteFile(filepath.Join(dir, nodeIDFile), []byte("x"), 0o600))
	if id, err := keptNodeID(dir); err == nil || !strings.HasPrefix(id, controlplane.PrefixNode) {
		t.Errorf("%q, %v", id, err)
	}
}

// With SQLite there is nobody to tell, and nothing is written.
func TestNodeAloneShowsItselfOnly(t *testing.T) {
	s := startSite(t, func(s *site) { s.store = "store sqlite " + s.database })
	nodes := s.status().Nodes
	if len(nodes) != 1 || nodes[0].ID != "" || nodes[0].Name == "" || !nodes[0].Answers || fmt.Sprint(nodes[0].Roles) != "[gateway]" || nodes[0].words() != "answers" {
		t.Errorf("%+v", nodes)
	}
	if told := s.nodesOf(); len(told) != 0 {
		t.Errorf("in the database: %+v", told)
	}
}

func TestNodeNamesThatMislead(t *testing.T) {
	for _, name := range []string{strings.Repeat("x", 65), "a\nb", " a", "a\u202eb", "a\xffb"} {
		if err := (&App{NodeName: name, BodyBudget: 1 << 20}).Validate(); err == nil || !strings.Contains(err.Error(), "node_name") {
			t.Errorf("%q: %v", name, err)
		}
	}
}
