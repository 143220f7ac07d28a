package cluster

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"prefectd/prefect"
	"prefectd/store"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type item struct {
	ID    prefect.ID `row:"1"`
	Count int        `row:"2"`
}

var items = store.NewTable("items", 1, 16, func(i *item, k store.Key) store.Key { return k.ID(i.ID) })

var errNope = errors.New("nope")

// add raises the count of an item; it fails after its write where told to.
type add struct {
	id    byte
	fail  bool
	panic bool
}

func evaluate(tx *store.Tx, op any) (any, error) {
	o := op.(add)
	row := items.Get(tx, store.Key{}.ID(prefect.ID{o.id}))
	if row == nil {
		row = &item{ID: prefect.ID{o.id}}
	}
	row.Count++
	items.Put(tx, row)
	if o.panic {
		panic("boom")
	}
	if o.fail {
		return nil, errNope
	}
	return row.Count, nil
}

func openGroup(t *testing.T, dir string, observe func([]store.Change)) *Group {
	t.Helper()
	if observe == nil {
		observe = func([]store.Change) {}
	}
	g, err := Open(Config{
		Dir: dir, Node: "n1", Number: 1, Schema: store.Schema{items}, Evaluate: evaluate, Observe: observe,
		Log: slog.New(slog.DiscardHandler),
	})
	require.NoError(t, err)
	require.NoError(t, g.Ready(t.Context()))
	return g
}

func count(t *testing.T, g *Group, id byte) (n int) {
	t.Helper()
	require.NoError(t, g.View(t.Context(), func(tx *store.Tx) error {
		if row := items.Get(tx, store.Key{}.ID(prefect.ID{id})); row != nil {
			n = row.Count
		}
		return nil
	}))
	return n
}

func TestAnswersAreDurable(t *testing.T) {
	dir := t.TempDir()
	g := openGroup(t, dir, nil)
	for want := 1; want <= 3; want++ {
		answer, err := g.Submit(t.Context(), add{id: 1})
		require.NoError(t, err)
		require.Equal(t, want, answer)
		require.Equal(t, want, count(t, g, 1))
	}
	require.NoError(t, g.Close())
	g = openGroup(t, dir, nil)
	require.Equal(t, 3, count(t, g, 1))
	require.NoError(t, g.Close())
}

func TestRefusedOperationsLeaveNothing(t *testing.T) {
	g := openGroup(t, t.TempDir(), nil)
	defer g.Close()
	_, err := g.Submit(t.Context(), add{id: 1, fail: true})
	require.ErrorIs(t, err, errNope)
	_, err = g.Submit(t.Context(), add{id: 1, panic: true})
	require.ErrorContains(t, err, "boom")
	require.Equal(t, 0, count(t, g, 1))
}

func TestOperationsThatMeetShareAnEntry(t *testing.T) {
	var mu sync.Mutex
	entries, rows := 0, 0
	g := openGroup(t, t.TempDir(), func(changes []store.Change) {
		mu.Lock()
		defer mu.Unlock()
		entries++
		rows += len(changes)
	})
	batch := make([]*pending, 100)
	for i := range batch {
		batch[i] = &pending{ctx: t.Context(), op: add{id: byte(i % 10), fail: i%10 == 9}, done: make(chan struct{})}
		g.queue <- batch[i]
	}
	for i, p := range batch {
		<-p.done
		if i%10 == 9 {
			require.ErrorIs(t, p.err, errNope)
		} else {
			require.Equal(t, i/10+1, p.answer)
		}
	}
	require.NoError(t, g.Close())
	require.Less(t, entries, 50)
	require.GreaterOrEqual(t, rows, 9)
}

func TestCloseAnswersEveryone(t *testing.T) {
	g := openGroup(t, t.TempDir(), nil)
	var wait sync.WaitGroup
	for range 50 {
		wait.Go(func() {
			for {
				if _, err := g.Submit(context.Background(), add{id: 1}); err != nil {
					if !Unavailable(err) {
						t.Errorf("unexpected: %v", err)
					}
					return
				}
			}
		})
	}
	_, err := g.Submit(t.Context(), add{id: 2})
	require.NoError(t, err)
	require.NoError(t, g.Close())
	wait.Wait()
}

func TestTheLogIsCut(t *testing.T) {
	dir := t.TempDir()
	g := openGroup(t, dir, nil)
	for range 3 {
		_, err := g.Submit(t.Context(), add{id: 1})
		require.NoError(t, err)
	}
	require.NoError(t, g.raft.Snapshot().Error())
	require.NoError(t, g.Close())
	g = openGroup(t, dir, nil)
	require.Equal(t, 3, count(t, g, 1))
	_, err := g.Submit(t.Context(), add{id: 1})
	require.NoError(t, err)
	taken := g.raft.Snapshot()
	require.NoError(t, taken.Error())
	meta, content, err := taken.Open()
	require.NoError(t, err)
	require.NotZero(t, meta.Index)
	require.NoError(t, g.fsm.Restore(content))
	require.Equal(t, 4, count(t, g, 1))
	require.NoError(t, g.Close())
}

func TestDamagedFilesAreNamed(t *testing.T) {
	for _, name := range []string{"state.db", "log.db"} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			require.NoError(t, openGroup(t, dir, nil).Close())
			path := filepath.Join(dir, name)
			require.NoError(t, os.WriteFile(path, make([]byte, 65536), 0o600))
			_, err := Open(Config{
				Dir: dir, Node: "n1", Schema: store.Schema{items}, Evaluate: evaluate,
				Observe: func([]store.Change) {}, Log: slog.New(slog.DiscardHandler),
			})
			require.ErrorContains(t, err, path)
		})
	}
}

func BenchmarkSubmit(b *testing.B) {
	for _, writers := range []int{1, 16, 64} {
		b.Run(fmt.Sprint(writers), func(b *testing.B) {
			g, err := Open(Config{
				Dir: b.TempDir(), Node: "n1", Schema: store.Schema{items}, Evaluate: evaluate,
				Observe: func([]store.Change) {}, Log: slog.New(slog.DiscardHandler),
			})
			require.NoError(b, err)
			defer g.Close()
			b.SetParallelism(writers)
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if _, err := g.Submit(context.Background(), add{id: 1}); err != nil {
						b.Error(err)
					}
				}
			})
		})
	}
}
