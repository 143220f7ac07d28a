package fsm

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/hashicorp/raft"
	"github.com/stretchr/testify/require"
	"go.etcd.io/bbolt"
	"pgregory.net/rapid"
)

// history is a log and the leader that wrote it, evaluating each batch on what
// the ones before left.
type history struct {
	leader *machine
	logs   []*raft.Log
}

// drawHistory makes a log with batches of writes and deletions, some of them
// evaluated too early, memberships, and gaps where Raft's own entries were.
func drawHistory(t *rapid.T, dir string) *history {
	h := &history{leader: openMachine(t, filepath.Join(dir, "leader.db"))}
	index := uint64(0)
	for range rapid.IntRange(1, 25).Draw(t, "entries") {
		index += uint64(rapid.IntRange(1, 3).Draw(t, "step"))
		log := &raft.Log{Index: index, Term: index/10 + 1, Type: raft.LogCommand}
		switch rapid.IntRange(0, 9).Draw(t, "kind") {
		case 0:
			log.Type = raft.LogConfiguration
			server := raft.Server{ID: raft.ServerID(fmt.Sprint("n", index))}
			log.Data = raft.EncodeConfiguration(raft.Configuration{Servers: []raft.Server{server}})
		case 1:
			p := h.evaluate(t)
			p.Entry.Base = h.leader.state.Base + 1
			log.Data = h.leader.Propose(p)
		case 2:
			p := h.evaluate(t)
			require.NoError(t, h.leader.db.Sync())
			log.Data = h.leader.Propose(p)
		default:
			log.Data = h.leader.Propose(h.evaluate(t))
		}
		h.logs = append(h.logs, log)
		h.leader.Apply(log)
	}
	require.Empty(t, h.leader.fatal)
	return h
}

func (h *history) evaluate(t *rapid.T) *Proposal {
	b, err := h.leader.db.Batch()
	require.NoError(t, err)
	for range rapid.IntRange(0, 6).Draw(t, "rows") {
		row := item{Number: rapid.Uint64Range(0, 9).Draw(t, "number"), Count: rapid.Uint64Range(0, 3).Draw(t, "count")}
		if rapid.Bool().Draw(t, "delete") {
			items.Delete(b.Tx(), items.Key(&row))
		} else {
			items.Put(b.Tx(), &row)
		}
	}
	p := &Proposal{Entry: Entry{Base: h.leader.state.Base, Changes: b.Changes()}, Batch: b}
	require.NoError(t, b.Close())
	return p
}

// apply gives logs to a machine in batches of random sizes.
func apply(t *rapid.T, m *machine, logs []*raft.Log) {
	for len(logs) > 0 {
		n := rapid.IntRange(1, len(logs)).Draw(t, "batch")
		for _, answer := range m.ApplyBatch(logs[:n]) {
			_, failed := answer.(error)
			require.False(t, failed)
		}
		logs = logs[n:]
	}
}

// content is every key and value of a machine's file, indexes and marks included.
func content(t *rapid.T, m *machine) map[string]string {
	require.NoError(t, m.db.Close())
	file, err := bbolt.Open(m.db.Path(), 0o600, &bbolt.Options{ReadOnly: true, Timeout: time.Second})
	require.NoError(t, err)
	defer file.Close()
	all := map[string]string{}
	require.NoError(t, file.View(func(tx *bbolt.Tx) error {
		return tx.ForEach(func(name []byte, b *bbolt.Bucket) error {
			return b.ForEach(func(k, v []byte) error {
				all[fmt.Sprintf("%x/%x", name, k)] = string(v)
				return nil
			})
		})
	}))
	return all
}

// check runs a property with a folder of its own for each try.
func check(t *testing.T, property func(t *rapid.T, dir string)) {
	rapid.Check(t, func(r *rapid.T) {
		dir, err := os.MkdirTemp(t.TempDir(), "")
		require.NoError(r, err)
		property(r, dir)
	})
}

func TestReplicasAreEqual(t *testing.T) {
	check(t, func(t *rapid.T, dir string) {
		h := drawHistory(t, dir)
		replica := openMachine(t, filepath.Join(dir, "replica.db"))
		apply(t, replica, h.logs)
		require.Equal(t, h.leader.observed, replica.observed)
		require.Equal(t, content(t, h.leader), content(t, replica))
	})
}

// crash opens the file as it is on the disk, perhaps without the last entries. It
// is one of the states that were.
func crash(t *rapid.T, m *machine) *machine {
	if rapid.Bool().Draw(t, "flushed") {
		require.NoError(t, m.db.Sync())
	}
	left, err := os.ReadFile(m.db.Path())
	require.NoError(t, err)
	require.NoError(t, m.db.Close())
	require.NoError(t, os.WriteFile(m.db.Path(), left, 0o600))
	return openMachine(t, m.db.Path())
}

func TestReplayFromAnyIndexIsTheStraightRun(t *testing.T) {
	check(t, func(t *rapid.T, dir string) {
		h := drawHistory(t, dir)
		replica := openMachine(t, filepath.Join(dir, "replica.db"))
		for range rapid.IntRange(1, 3).Draw(t, "restarts") {
			from := rapid.IntRange(0, len(h.logs)).Draw(t, "from")
			to := rapid.IntRange(from, len(h.logs)).Draw(t, "to")
			if from > 0 && h.logs[from-1].Index > replica.Applied() {
				from = 0 // Raft leaves no gap
			}
			apply(t, replica, h.logs[from:to])
			if rapid.Bool().Draw(t, "crash") {
				replica = crash(t, replica)
			} else {
				require.NoError(t, replica.db.Close())
				replica = openMachine(t, replica.db.Path())
			}
		}
		apply(t, replica, h.logs)
		require.Equal(t, content(t, h.leader), content(t, replica))
	})
}

func TestASnapshotCarriesTheState(t *testing.T) {
	check(t, func(t *rapid.T, dir string) {
		h := drawHistory(t, dir)
		donor := openMachine(t, filepath.Join(dir, "donor.db"))
		at := rapid.IntRange(0, len(h.logs)).Draw(t, "at")
		apply(t, donor, h.logs[:at])
		var stream bytes.Buffer
		state, err := Stream(context.Background(), donor.db, &stream)
		require.NoError(t, err)
		require.Equal(t, donor.stored(t), state)

		replica := openMachine(t, filepath.Join(dir, "replica.db"))
		apply(t, replica, h.logs[:rapid.IntRange(0, len(h.logs)).Draw(t, "before")])
		require.NoError(t, replica.Restore(io.NopCloser(&stream)))
		require.Equal(t, donor.Applied(), replica.Applied())
		apply(t, replica, h.logs)
		require.Equal(t, content(t, h.leader), content(t, replica))
		require.NoError(t, donor.db.Close())
	})
}
