package cluster

import (
	"context"
	"encoding/hex"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"prefectd/store"
)

// insert writes a new row of about a KiB, half of which does not compress.
type insert struct{}

func insertEvaluator() Evaluator {
	var next uint64
	random := rand.New(rand.NewPCG(1, 2))
	return func(tx *store.Tx, _ any) (any, error) {
		next++
		noise := make([]byte, 512)
		for i := range noise {
			noise[i] = byte(random.Uint32())
		}
		row := item{Number: next*0x9e3779b97f4a7c15 + random.Uint64(), Padding: []byte(hex.EncodeToString(noise))}
		items.Put(tx, &row)
		return nil, nil
	}
}

func benchGroup(b *testing.B, noSync bool) *Group {
	c := (&toy{}).config(b.TempDir())
	c.Evaluate, c.Observe, c.State = insertEvaluator(), nil, store.Options{NoSync: noSync}
	c.Log = slog.New(slog.DiscardHandler)
	g, err := Open(c)
	require.NoError(b, err)
	b.Cleanup(func() { g.Close() })
	require.NoError(b, g.Ready(b.Context()))
	return g
}

// BenchmarkSubmit is the whole path of a write, per operation: what clients that
// wait for each answer get. p50 and p99 are of an operation.
func BenchmarkSubmit(b *testing.B) {
	for _, noSync := range []bool{false, true} {
		for _, groups := range []int{1, 4} {
			for _, clients := range []int{1, 16, 64, 256} {
				b.Run(fmt.Sprintf("noSync=%v/groups=%d/clients=%d", noSync, groups, clients), func(b *testing.B) {
					benchSubmit(b, groups, clients, noSync)
				})
			}
		}
	}
}

func benchSubmit(b *testing.B, groups, clients int, noSync bool) {
	all := make([]*Group, groups)
	for i := range all {
		all[i] = benchGroup(b, noSync)
	}
	var (
		wait  sync.WaitGroup
		mu    sync.Mutex
		taken []time.Duration
	)
	b.ResetTimer()
	for c := range clients {
		wait.Go(func() {
			var mine []time.Duration
			for i := c; i < b.N; i += clients {
				start := time.Now()
				if _, err := all[i%groups].Submit(context.Background(), insert{}); err != nil {
					b.Error(err)
				}
				mine = append(mine, time.Since(start))
			}
			mu.Lock()
			defer mu.Unlock()
			taken = append(taken, mine...)
		})
	}
	wait.Wait()
	b.StopTimer()
	slices.Sort(taken)
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "op/s")
	b.ReportMetric(float64(taken[len(taken)/2].Microseconds())/1000, "p50-ms")
	b.ReportMetric(float64(taken[len(taken)*99/100].Microseconds())/1000, "p99-ms")
}

// BenchmarkView is what a read costs besides what it reads.
func BenchmarkView(b *testing.B) {
	g := benchGroup(b, true)
	b.ReportAllocs()
	for b.Loop() {
		if err := g.View(context.Background(), func(*store.Tx) error { return nil }); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkOpen is from a closed group to one that serves.
func BenchmarkOpen(b *testing.B) {
	c := (&toy{}).config(b.TempDir())
	c.Observe = nil
	for b.Loop() {
		g, err := Open(c)
		require.NoError(b, err)
		require.NoError(b, g.Ready(b.Context()))
		b.StopTimer()
		require.NoError(b, g.Close())
		b.StartTimer()
	}
}
