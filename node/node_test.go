package node

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"prefectd/ops"
	"prefectd/prefect"
	"prefectd/store"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m,
		goleak.IgnoreAnyFunction("github.com/hashicorp/memberlist.(*Memberlist).triggerFunc"), // notices late that it may go
	)
}

func testConfig(folder string) Config {
	return Config{
		DataDir: folder, Name: "n1", RunGroups: 2, Version: "test",
		Settings: DefaultSettings(), Log: slog.New(slog.DiscardHandler), Host: "127.0.0.1",
	}
}

func start(t *testing.T, folder string) *Node {
	t.Helper()
	n, err := Start(t.Context(), testConfig(folder))
	require.NoError(t, err)
	return n
}

// note puts an event into a group, and reads how many there are.
type note struct{ ID prefect.ID }

func (o *note) Run(c *ops.Context) (any, error) {
	return c.Emit(&prefect.Event{ID: o.ID, Occurred: c.Now, Event: "noted", Resource: prefect.Resource{}}), nil
}

type count struct{}

func (count) Read(tx *store.Tx, _ prefect.Time) (any, error) {
	return store.Events.Count(tx, store.Range{}), nil
}

func TestNodeKeepsWhatItAnswered(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "data")
	ctx := context.Background()
	var clusterID string
	for round := 1; round <= 3; round++ {
		n := start(t, folder)
		require.NoError(t, n.Ready(ctx))
		status := n.Status(ctx)
		require.True(t, status.Ready)
		require.Equal(t, "n1", status.Node)
		require.Len(t, status.Groups, 3)
		for number, group := range status.Groups {
			require.Equal(t, number, group.Group)
			require.Equal(t, "leader", group.Role)
			require.Equal(t, "n1", group.Leader)
		}
		if round > 1 {
			require.Equal(t, clusterID, status.ClusterID)
		}
		clusterID = status.ClusterID
		for group := range status.Groups {
			added, err := ops.Do[bool](ctx, n, group, &note{ID: n.NewID()})
			require.NoError(t, err)
			require.True(t, added)
		}
		counts, err := n.AskAll(ctx, n.Groups().All(), count{})
		require.NoError(t, err)
		require.Equal(t, []any{round, round, round}, counts)
		require.NoError(t, n.Stop())
	}
}

// Whoever asks a node that stops learns that the request may be sent again.
func TestStoppedNodeIsUnavailable(t *testing.T) {
	n := start(t, t.TempDir())
	require.NoError(t, n.Stop())
	_, err := n.Do(context.Background(), ops.Coordination, &note{ID: n.NewID()})
	var refusal *ops.Error
	require.ErrorAs(t, err, &refusal)
	require.Equal(t, 503, refusal.Status)
	require.True(t, refusal.Retryable)
	status := n.Status(context.Background())
	require.False(t, status.Ready)
	require.NotEmpty(t, status.Reason)
}

func TestDamagedFilesAreNamed(t *testing.T) {
	whole := t.TempDir()
	require.NoError(t, start(t, whole).Stop())
	for _, test := range []struct {
		file  string
		spoil func(t *testing.T, path string)
	}{
		{"groups/1/state.db", garble},
		{"groups/2/log.db", garble},
		{"groups/0/state.db", func(t *testing.T, path string) { require.NoError(t, os.Truncate(path, 4096)) }},
		{"node.json", garble},
	} {
		t.Run(test.file, func(t *testing.T) {
			folder := t.TempDir()
			require.NoError(t, os.CopyFS(folder, os.DirFS(whole)))
			path := filepath.Join(folder, test.file)
			test.spoil(t, path)
			_, err := Start(t.Context(), testConfig(folder))
			require.ErrorContains(t, err, path)
			require.ErrorContains(t, err, "backup")
			require.NotContains(t, err.Error(), "\n")

			f, err := openFolder(folder, newNode) // the folder was let go
			if test.file != nodeFile {
				require.NoError(t, err)
				require.NoError(t, f.close())
			}
		})
	}
}

func garble(t *testing.T, path string) {
	raw, err := os.ReadFile(path)
	require.NoError(t, err)
	for i := range raw {
		raw[i] = byte(i*7 + 13)
	}
	require.NoError(t, os.WriteFile(path, raw, 0o600))
}

// A start is fast enough to be unnoticed.
func TestStartIsQuick(t *testing.T) {
	folder := t.TempDir()
	for range 2 {
		began := time.Now()
		n := start(t, folder)
		require.Less(t, time.Since(began), 5*time.Second) // the budget is 0.5 s; a busy machine gets more
		require.NoError(t, n.Stop())
	}
}
