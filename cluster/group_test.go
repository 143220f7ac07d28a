package cluster

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hashicorp/raft"
	"github.com/stretchr/testify/require"

	"prefectd/store"
)

func TestValidate(t *testing.T) {
	whole := func() Config { return (&toy{}).config("dir") }
	for name, spoil := range map[string]func(*Config){
		"no folder":           func(c *Config) { c.Dir = "" },
		"no name":             func(c *Config) { c.Node = "" },
		"no evaluator":        func(c *Config) { c.Evaluate = nil },
		"joins nobody":        func(c *Config) { c.Join = true },
		"no table of answers": func(c *Config) { c.Schema = store.Schema{items} },
	} {
		t.Run(name, func(t *testing.T) {
			c := whole()
			require.NoError(t, c.Validate())
			spoil(&c)
			require.Error(t, c.Validate())
		})
	}
}

func TestDamagedFilesAreNamed(t *testing.T) {
	for _, name := range []string{"state.db", "log.db"} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			g, y := alone(t, dir)
			require.NoError(t, g.Close())
			path := filepath.Join(dir, name)
			require.NoError(t, os.WriteFile(path, make([]byte, 65536), 0o600))
			_, err := Open(y.config(dir))
			require.ErrorContains(t, err, path)
		})
	}
}

func TestFilesThatDoNotBelongTogetherAreRefused(t *testing.T) {
	short := func(c *Config) { c.LogEntries = 8 }
	for _, gone := range []string{"state.db", "log.db"} {
		t.Run(gone, func(t *testing.T) {
			dir := t.TempDir()
			g, y := alone(t, dir, short)
			for range 30 {
				submit(t, g, add{number: 1})
			}
			eventually(t, func() bool { return g.Status().LogFirst > 1 })
			require.NoError(t, g.Close())
			require.NoError(t, os.Remove(filepath.Join(dir, gone)))
			_, err := Open(y.config(dir))
			require.ErrorContains(t, err, filepath.Join(dir, gone))
			require.ErrorContains(t, err, "restore")
		})
	}
}

func TestAGroupWhoseLogFailsStops(t *testing.T) {
	g, err := Open((&toy{}).config(t.TempDir()))
	require.NoError(t, err)
	require.NoError(t, g.Ready(t.Context()))
	release := make(chan struct{})
	started := make(chan struct{})
	answered := make(chan error, 1)
	go func() {
		_, err := g.Submit(t.Context(), add{number: 1, started: started, hold: release})
		answered <- err
	}()
	<-started
	require.NoError(t, g.log.BoltStore.Close())
	close(release)
	require.ErrorIs(t, <-answered, ErrUnknownOutcome)
	requireStopped(t, g, "log.db")
}

// requireStopped checks what a group does whose file has failed.
func requireStopped(t *testing.T, g *Group, file string) {
	t.Helper()
	require.ErrorContains(t, <-g.Failed(), file)
	_, err := g.Submit(t.Context(), add{number: 1})
	require.Error(t, err)
	g.Close() // what fails then is known already
	_, more := <-g.Failed()
	require.False(t, more)
}

func TestALoneMemberLeadsAtOnce(t *testing.T) {
	dir := t.TempDir()
	g, _ := alone(t, dir, func(c *Config) { c.Heartbeat = time.Hour })
	submit(t, g, add{number: 1})
	require.NoError(t, g.Close())
	g, _ = alone(t, dir, func(c *Config) { c.Heartbeat = time.Hour })
	require.Equal(t, 1, count(t, g, 1))
}

func TestStatus(t *testing.T) {
	g, _ := alone(t, t.TempDir())
	submit(t, g, add{number: 1, padding: 1000})
	s := g.Status()
	require.Equal(t, "leader", s.Role)
	require.Equal(t, "n1", s.Leader)
	require.Equal(t, uint64(2), s.Term)
	require.Equal(t, s.LogLast, s.Applied)
	require.Equal(t, uint64(1), s.LogFirst)
	require.Greater(t, s.LogBytes, int64(1000))
}

// The log is cut by its length, also if it never grows much in one go, and also
// where it only has Raft's own entries, of which each start makes some.
func TestTheLogStaysShortOverRestarts(t *testing.T) {
	const limit = 20
	dir := t.TempDir()
	short := func(c *Config) { c.LogEntries = limit }
	for i := range 30 {
		g, _ := alone(t, dir, short)
		if i < 10 {
			for range 3 {
				submit(t, g, add{number: 1})
			}
			require.Equal(t, 3*(i+1), count(t, g, 1))
		}
		eventually(t, func() bool {
			s := g.Status()
			first, err := g.log.FirstIndex()
			require.NoError(t, err)
			return s.LogLast-s.LogFirst < limit && first == s.LogFirst
		})
		require.NoError(t, g.Close())
	}
	g, _ := alone(t, dir, short)
	require.Greater(t, g.Status().LogFirst, uint64(50))
	require.Equal(t, 30, count(t, g, 1))
	require.Equal(t, 31, submit(t, g, add{number: 1}))
}

func TestTheLogIsCutByItsBytes(t *testing.T) {
	g, _ := alone(t, t.TempDir(), func(c *Config) { c.LogBytes = 100_000 })
	for range 100 {
		submit(t, g, add{number: 1, padding: 5000})
	}
	eventually(t, func() bool { return g.Status().LogBytes <= 100_000 })
	s := g.Status()
	require.Greater(t, s.LogBytes, int64(50_000))
	require.Greater(t, s.LogLast-s.LogFirst, uint64(10))
}

func TestTheLogsAccount(t *testing.T) {
	l, err := openLog(filepath.Join(t.TempDir(), "log.db"), 100, 1<<20, func(err error) { t.Error(err) })
	require.NoError(t, err)
	defer l.Close()
	store := func(from, to uint64, size int) {
		var logs []*raft.Log
		for i := from; i <= to; i++ {
			logs = append(logs, &raft.Log{Index: i, Data: make([]byte, size-entryOverhead)})
		}
		require.NoError(t, l.StoreLogs(logs))
	}
	check := func(first, last uint64, bytes int64) {
		t.Helper()
		f, e, b := l.extent()
		require.Equal(t, []uint64{first, last}, []uint64{f, e})
		require.Equal(t, bytes, b)
		if last > 0 {
			stored, err := l.FirstIndex()
			require.NoError(t, err)
			require.Equal(t, first, stored)
			stored, err = l.LastIndex()
			require.NoError(t, err)
			require.Equal(t, last, stored)
		}
	}
	check(0, 0, 0)
	store(1, 10, 100)
	check(1, 10, 1000)
	require.NoError(t, l.DeleteRange(1, 4)) // the oldest
	check(5, 10, 600)
	require.NoError(t, l.DeleteRange(9, 10)) // what another leader did not commit
	check(5, 8, 400)
	store(8, 9, 200)
	check(5, 9, 300+400)
	store(5, 5, 100) // all of it
	require.NoError(t, l.DeleteRange(1, 9))
	check(0, 0, 0)
	store(20, 21, 100) // after a snapshot
	check(20, 21, 200)
	require.NoError(t, l.SetUint64([]byte("term"), 3))
	require.NoError(t, l.SetUint64([]byte("term"), 3))
	term, err := l.GetUint64([]byte("term"))
	require.NoError(t, err)
	require.Equal(t, uint64(3), term)
}

type service func(ctx context.Context) error

func (s service) Run(ctx context.Context) error { return s(ctx) }

func TestServicesRunWhileTheGroupLeads(t *testing.T) {
	g, _ := alone(t, t.TempDir())
	var ran, ended atomic.Int32
	g.Serve(
		service(func(ctx context.Context) error { // does its work until the end
			ran.Add(1)
			_, err := g.Submit(ctx, add{number: 5})
			require.NoError(t, err)
			<-ctx.Done()
			ended.Add(1)
			return ctx.Err()
		}),
		service(func(context.Context) error { // has nothing more to do
			ran.Add(1)
			return nil
		}),
		service(func(context.Context) error { // fails at first
			if ran.Add(1) < 4 {
				return errors.New("passing trouble")
			}
			ended.Add(1)
			return nil
		}))
	eventually(t, func() bool { return ran.Load() == 4 && stale(t, g, 5) == 1 })
	require.NoError(t, g.Close())
	require.Equal(t, int32(2), ended.Load(), "they are waited for")
	g.Serve(service(func(context.Context) error { panic("too late") }))
}

type recorder struct {
	slog.Handler
	levels map[string]slog.Level
}

func (r *recorder) Handle(_ context.Context, record slog.Record) error {
	record.Attrs(func(a slog.Attr) bool {
		r.levels[fmt.Sprint(record.Message, " ", a.Key, "=", a.Value)] = record.Level
		return true
	})
	return nil
}

func (r *recorder) Enabled(context.Context, slog.Level) bool { return true }

func TestRaftLogsThroughSlog(t *testing.T) {
	r := &recorder{levels: map[string]slog.Level{}}
	l := raftLogger(slog.New(r))
	l.Info("entering leader state", "n", 1)
	l.With("peer", "b").Warn("slow", "n", 2)
	l.Error("bad", "n", 3)
	l.Warn("heartbeat timeout reached, starting election", "n", 4)
	require.Equal(t, map[string]slog.Level{
		"raft: entering leader state n=1": slog.LevelDebug,
		"raft: slow peer=b":               slog.LevelWarn,
		"raft: slow n=2":                  slog.LevelWarn,
		"raft: bad n=3":                   slog.LevelError,
		"raft: heartbeat timeout reached, starting election n=4": slog.LevelDebug,
	}, r.levels)
}

// never is a future that Raft forgets: it does so with some when it stops.
type never chan struct{}

func (n never) Error() error {
	<-n // closed when the test ends
	return nil
}

// Who waits for Raft is let go when the group is closed.
func TestNobodyWaitsForAClosedGroup(t *testing.T) {
	g, err := Open((&toy{}).config(t.TempDir()))
	require.NoError(t, err)
	require.NoError(t, g.Ready(t.Context()))
	asked, answered, forgotten := make(chan struct{}), make(chan error, 1), make(never)
	t.Cleanup(func() { close(forgotten) })
	go func() {
		answered <- g.await(func() raft.Future { close(asked); return forgotten })
	}()
	<-asked
	require.NoError(t, g.Close())
	require.ErrorIs(t, <-answered, raft.ErrRaftShutdown)
}
