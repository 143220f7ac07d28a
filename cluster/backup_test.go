package cluster

import (
	"bytes"
	"context"
	"errors"
	"io"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"prefectd/store"
)

// backup is a group's state with every write that was answered before.
func backup(t *testing.T, g *Group) *bytes.Buffer {
	t.Helper()
	index, err := g.ReadIndex(t.Context())
	require.NoError(t, err)
	var b bytes.Buffer
	require.NoError(t, g.Backup(t.Context(), index, &b))
	return &b
}

// A group that is restored has another only member, goes on with another log, can be
// restarted, gets more members, and can be backed up again.
func TestAGroupGoesOnFromABackup(t *testing.T) {
	short := func(c *Config) { c.LogEntries = 8 }
	ms := newMembers(t, 3, short)
	old := ms.leader()
	for range 20 {
		submit(t, old.Group, add{number: 1, padding: 1000})
	}
	from := backup(t, old.Group)
	submit(t, old.Group, add{number: 1})

	dir := filepath.Join(t.TempDir(), "group")
	restored := func(c *Config) { c.Dir, c.Node = dir, "r1" }
	require.NoError(t, Restore(dir, "r1", old.config.Schema, from))
	for round := range 3 {
		g, y := alone(t, dir, short, restored)
		require.Equal(t, 20+round, count(t, g, 1))
		require.Equal(t, []string{"r1"}, g.Status().Voters)
		require.Greater(t, g.Status().Term, old.Status().Term)
		require.Equal(t, 21+round, submit(t, g, add{number: 1}))
		require.Equal(t, 1, y.evaluations())
		require.NoError(t, g.Close())
	}

	ms = newMembers(t, 1, short, restored)
	for range 20 {
		submit(t, ms.all[0].Group, add{number: 1})
	}
	ms.add(short)
	ms.agree(1, 43)
	again := filepath.Join(t.TempDir(), "again")
	require.NoError(t, Restore(again, "r2", old.config.Schema, backup(t, ms.all[0].Group)))
	g, _ := alone(t, again, func(c *Config) { c.Node = "r2" })
	require.Equal(t, 43, count(t, g, 1))
}

func TestADamagedBackupIsNotRestored(t *testing.T) {
	g, y := alone(t, t.TempDir())
	submit(t, g, add{number: 1, padding: 10_000})
	whole := backup(t, g).Bytes()
	flipped := bytes.Clone(whole)
	flipped[len(flipped)/2] ^= 1
	for name, bad := range map[string][]byte{"cut": whole[:len(whole)-1], "flipped": flipped, "empty": nil} {
		dir := t.TempDir()
		require.ErrorContains(t, Restore(dir, "n1", y.config(dir).Schema, bytes.NewReader(bad)), dir, name)
	}
}

// pair writes the same number to two rows.
func pair(tx *store.Tx, _ any) (any, error) {
	n := countOf(tx, 1) + 1
	for number := range uint64(2) {
		items.Put(tx, &item{Number: number + 1, Count: n})
	}
	return n, nil
}

// A backup that is made while writes go on is a state that was, and has what was
// answered before it began.
func TestABackupIsAStateThatWas(t *testing.T) {
	g, y := alone(t, t.TempDir(), func(c *Config) { c.Evaluate = pair })
	ctx, cancel := context.WithCancel(t.Context())
	var wait sync.WaitGroup
	defer wait.Wait()
	defer cancel()
	for range 4 {
		wait.Go(func() {
			for ctx.Err() == nil {
				_, _ = g.Submit(ctx, nil)
			}
		})
	}
	for range 5 {
		answered := submit(t, g, nil).(int)
		dir := t.TempDir()
		require.NoError(t, Restore(dir, "n1", y.config(dir).Schema, backup(t, g)))
		restored, _ := alone(t, dir)
		require.GreaterOrEqual(t, count(t, restored, 1), answered)
		require.Equal(t, count(t, restored, 1), count(t, restored, 2))
		require.NoError(t, restored.Close())
	}
}

func TestABackupIsGivenUp(t *testing.T) {
	g, _ := alone(t, t.TempDir())
	submit(t, g, add{number: 1})
	ctx, cancel := context.WithCancel(t.Context())
	given := make(chan error)
	go func() { given <- g.Backup(ctx, 1<<40, io.Discard) }() // waits for an entry that never comes
	cancel()
	require.ErrorIs(t, <-given, context.Canceled)
	require.ErrorIs(t, g.Backup(ctx, 0, io.Discard), context.Canceled)

	go func() { given <- g.Backup(t.Context(), 1<<40, io.Discard) }()
	require.NoError(t, g.Close())
	require.ErrorIs(t, <-given, ErrClosed)

	broken := errors.New("broken")
	g, _ = alone(t, t.TempDir())
	require.ErrorIs(t, g.Backup(t.Context(), 0, writerOf(func([]byte) (int, error) { return 0, broken })), broken)
}

type writerOf func([]byte) (int, error)

func (w writerOf) Write(b []byte) (int, error) { return w(b) }
