package node

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"prefectd/ops"
	"prefectd/prefect"
)

// runs are flow runs with their states, events and a log record each, of one flow.
func runs(t *testing.T, n *Node, flow string, count int) prefect.ID {
	t.Helper()
	ctx := t.Context()
	f, err := ops.Do[ops.Upserted[prefect.Flow]](ctx, n, ops.Coordination, &ops.CreateFlow{Flow: prefect.FlowCreate{Name: flow}})
	require.NoError(t, err)
	for range count {
		run, err := ops.NewFlowRun(ctx, n, prefect.FlowRunCreate{FlowID: f.Object.ID, Parameters: prefect.JSON(`{"x":1.0}`)}, nil)
		require.NoError(t, err)
		id := run.Object.ID
		_, err = ops.ChangeFlowRunState(ctx, n, ops.SetFlowRunState{RunID: id, State: prefect.StateCreate{Type: prefect.Running}})
		require.NoError(t, err)
		require.NoError(t, ops.TakeLogs(ctx, n, []prefect.LogCreate{{Name: "log", Level: 20, Message: "said", Timestamp: now(), FlowRunID: id}}))
	}
	return f.Object.ID
}

// content is what a node answers about its flow runs, and how many events and log
// records it has.
func content(t *testing.T, n *Node) string {
	t.Helper()
	ctx := t.Context()
	list, err := ops.ListFlowRuns(ctx, n, &prefect.FlowRunsScope{}, "ID_DESC", 1000, 0)
	require.NoError(t, err)
	text := ""
	for _, run := range list {
		text += fmt.Sprintln(run.ID, run.Name, run.FlowID, string(run.Parameters), run.State.ID, run.State.Type)
	}
	logs, err := ops.ListLogs(ctx, n, &prefect.LogFilter{}, "TIMESTAMP_ASC", 1000, 0)
	require.NoError(t, err)
	return text + fmt.Sprintln(len(logs), noted(t, n, 0), noted(t, n, 1), noted(t, n, 2))
}

// saveBackup makes a backup file of a node.
func saveBackup(t *testing.T, n *Node) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "backup")
	file, err := os.Create(path)
	require.NoError(t, err)
	require.NoError(t, n.Backup(t.Context(), file))
	require.NoError(t, file.Close())
	return path
}

// A restored node has all that the old one had, and is a cluster of its own: it takes
// writes and members, and can be backed up.
func TestANodeIsRestored(t *testing.T) {
	old := start(t, t.TempDir())
	runs(t, old, "f", 20)
	want := content(t, old)
	path := saveBackup(t, old)
	runs(t, old, "later", 1)
	was := old.Status(t.Context())

	c := &nodes{t: t, dir: t.TempDir(), nodes: map[string]*Node{}}
	h, err := RestoreBackup(path, c.folder("r1"), "r1")
	require.NoError(t, err)
	require.Equal(t, was.ClusterID, h.ClusterID)
	require.Equal(t, 2, h.RunGroups)
	require.Equal(t, "test", h.Version)
	require.NoError(t, old.Stop())

	r1 := c.start("r1", func(c *Config) { c.RunGroups = 7 }) // it stays as it was
	require.Equal(t, want, content(t, r1))
	status := r1.Status(t.Context())
	require.True(t, status.Healthy, "%v", status.Problems)
	require.Len(t, status.Groups, 3)
	require.NotEqual(t, was.ClusterID, status.ClusterID)
	members, err := r1.Members(t.Context())
	require.NoError(t, err)
	require.Len(t, members, 1)
	require.Equal(t, "r1", members[0].Name)

	flow := runs(t, r1, "g", 5)
	require.NoError(t, ops.RemoveFlow(t.Context(), r1, flow))
	runs(t, r1, "h", 5)
	want = content(t, r1)
	again := saveBackup(t, r1)
	c.stop("r1")
	c.start("r1")
	r2 := c.start("r2")
	c.settled()
	require.Equal(t, want, content(t, r2))

	folder := filepath.Join(t.TempDir(), "above", "data")
	_, err = RestoreBackup(again, folder, "n1")
	require.NoError(t, err)
	n := start(t, folder)
	require.Equal(t, want, content(t, n))
	require.NoError(t, n.Stop())
}

// Backups of every format are restored for ever.
func TestAnOldBackupIsRestored(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "data")
	h, err := RestoreBackup("testdata/backup-v1", folder, "n1")
	require.NoError(t, err)
	require.Equal(t, &BackupHeader{
		ClusterID: "d98c424a-e06a-428d-8760-c846c2322f00", RunGroups: 1, Level: 2, Version: "test",
		Created: prefect.TimeOf(time.Date(2026, 11, 23, 22, 38, 0, 9859e3, time.UTC)),
	}, h)
	n := start(t, folder)
	require.Equal(t, 2, countRuns(t, n))
	require.NoError(t, n.Stop())
}

// Writes that were answered before are in a backup, whatever goes on meanwhile.
func TestABackupIsMadeUnderLoad(t *testing.T) {
	n := start(t, t.TempDir())
	ctx, cancel := context.WithCancel(t.Context())
	var wait sync.WaitGroup
	for _, group := range n.layout.All() {
		wait.Go(func() {
			for ctx.Err() == nil {
				_, _ = n.Do(ctx, group, something(n))
			}
		})
	}
	before := make([]int, 3)
	eventually(t, func() bool {
		for _, group := range n.layout.All() {
			if before[group] = noted(t, n, group); before[group] < 20 {
				return false
			}
		}
		return true
	})
	path := saveBackup(t, n)
	cancel()
	wait.Wait()
	folder := filepath.Join(t.TempDir(), "data")
	_, err := RestoreBackup(path, folder, "n1")
	require.NoError(t, err)
	restored := start(t, folder)
	for group := range before {
		got := noted(t, restored, group)
		require.GreaterOrEqual(t, got, before[group])
		counted, err := ops.Ask[int](t.Context(), restored, group, count{})
		require.NoError(t, err)
		require.Equal(t, got, counted, "the tally is of the same moment")
	}
	require.NoError(t, restored.Stop())
	require.NoError(t, n.Stop())
}

// The groups of a backup are not of one moment. One that has taken messages which
// their sender does not know of must take the next ones all the same.
func TestMessagesGoOnAfterARestore(t *testing.T) {
	n := start(t, t.TempDir())
	part := func(group int) []byte {
		var b bytes.Buffer
		mark, err := n.mark(t.Context(), group)
		require.NoError(t, err)
		require.NoError(t, n.replicas.get(group).Backup(t.Context(), mark.Index, &b))
		return b.Bytes()
	}
	parts := [][]byte{part(ops.Coordination)}
	for i := range 3 {
		require.NoError(t, ops.RemoveFlow(t.Context(), n, runs(t, n, fmt.Sprint("f", i), 4)))
	}
	parts = append(parts, part(1), part(2))
	require.NoError(t, n.Stop())
	path := filepath.Join(t.TempDir(), "backup")
	require.NoError(t, os.WriteFile(path, backupOf(t, &BackupHeader{RunGroups: 2}, parts...), 0o600))

	folder := filepath.Join(t.TempDir(), "data")
	_, err := RestoreBackup(path, folder, "n1")
	require.NoError(t, err)
	restored := start(t, folder)
	flow := runs(t, restored, "g", 4)
	require.Equal(t, 4, countRuns(t, restored))
	require.NoError(t, ops.RemoveFlow(t.Context(), restored, flow))
	require.Equal(t, 0, countRuns(t, restored))
	require.NoError(t, restored.Stop())
}

func countRuns(t *testing.T, n *Node) int {
	t.Helper()
	count, err := ops.CountFlowRuns(t.Context(), n, &prefect.FlowRunsScope{})
	require.NoError(t, err)
	return count
}

func backupOf(t *testing.T, h *BackupHeader, parts ...[]byte) []byte {
	t.Helper()
	var b bytes.Buffer
	require.NoError(t, WriteBackup(&b, h, func(group int, w io.Writer) error {
		_, err := w.Write(parts[group])
		return err
	}))
	return b.Bytes()
}

// What is refused leaves nothing behind.
func TestBackupsThatAreRefused(t *testing.T) {
	dir := t.TempDir()
	path, folder := filepath.Join(dir, "backup"), filepath.Join(dir, "data")
	n := start(t, t.TempDir())
	runs(t, n, "f", 2)
	good, err := os.ReadFile(saveBackup(t, n))
	require.NoError(t, err)
	require.NoError(t, n.Stop())
	refused := func(content []byte, message string) {
		t.Helper()
		require.NoError(t, os.WriteFile(path, content, 0o600))
		_, err := RestoreBackup(path, folder, "n1")
		require.ErrorContains(t, err, message)
		require.ErrorContains(t, err, path, "it is named")
		require.NotContains(t, err.Error(), "\n")
		left, err := os.ReadDir(dir)
		require.NoError(t, err)
		require.Len(t, left, 1)
	}
	for at := range good {
		if ends := at < 200 || at >= len(good)-200; !ends && at%(len(good)/200) != 0 {
			continue
		}
		flipped := bytes.Clone(good)
		flipped[at] ^= 1 << (at % 8)
		refused(flipped, "backup")
		refused(good[:at], "backup")
	}
	refused(good[:len(good)-1], "is cut off: use another one")
	refused(append(bytes.Clone(good), 0), "is damaged: use another one")
	refused([]byte("something else"), "is no backup of prefectd")
	newer := bytes.Clone(good)
	newer[len(backupMagic)+1]++
	refused(newer, "is of format 2, this prefectd knows format 1: use the version that made it")
	refused(backupOf(t, &BackupHeader{RunGroups: 1, Level: 99, Version: "7.0"}, nil, nil),
		"has formats of level 99, this prefectd knows 2: use version 7.0, which made it, or a newer one")

	// Only a restore finds out that what was written was of no use.
	require.NoError(t, os.WriteFile(path, backupOf(t, &BackupHeader{RunGroups: 1}, nil, nil), 0o600))
	_, err = RestoreBackup(path, folder, "n1")
	require.ErrorContains(t, err, "state.db")
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, left, 1)

	_, err = RestoreBackup(filepath.Join(dir, "none"), folder, "n1")
	require.ErrorContains(t, err, "none: no such file")
}

func TestFoldersThatAreNotRestoredInto(t *testing.T) {
	n := start(t, t.TempDir())
	path := saveBackup(t, n)
	require.NoError(t, n.Stop())
	dir := t.TempDir()
	_, err := RestoreBackup(path, dir, "n1")
	require.NoError(t, err, "an empty one will do")
	before, err := os.ReadFile(filepath.Join(dir, nodeFile))
	require.NoError(t, err)

	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	for folder, message := range map[string]string{
		dir:     "is not empty: name another one with --data-dir",
		file:    "is a file, not a folder",
		"/proc": "is not empty",
	} {
		_, err := RestoreBackup(path, folder, "n1")
		require.ErrorContains(t, err, "data folder "+folder+" "+message)
	}
	after, err := os.ReadFile(filepath.Join(dir, nodeFile))
	require.NoError(t, err)
	require.Equal(t, before, after)
	require.True(t, isMount("/proc"))
	require.False(t, isMount(dir))
}

// A backup of a cluster has every group, also those that the node which makes it does
// not hold, and becomes a cluster of another size.
func TestABackupOfAClusterIsRestored(t *testing.T) {
	c := newNodes(t, 4)
	n1 := c.nodes["n1"]
	for _, group := range n1.layout.RunGroups() {
		_, err := n1.Do(t.Context(), group, something(n1))
		require.NoError(t, err)
	}
	for name := range c.nodes {
		path := filepath.Join(t.TempDir(), "backup")
		_, err := FetchBackup(t.Context(), c.folder(name), path, slog.New(slog.DiscardHandler))
		require.NoError(t, err, name)
		_, err = FetchBackup(t.Context(), c.folder(name), path, slog.New(slog.DiscardHandler))
		require.ErrorContains(t, err, "is there already")

		other := &nodes{t: t, dir: t.TempDir(), nodes: map[string]*Node{}}
		_, err = RestoreBackup(path, other.folder("r1"), "r1")
		require.NoError(t, err)
		r1 := other.start("r1")
		require.NotEqual(t, n1.folder.ClusterID, r1.folder.ClusterID)
		other.start("r2")
		other.settled()
		for _, n := range other.nodes {
			require.Equal(t, 1, noted(t, n, 1))
			require.Equal(t, 1, noted(t, n, 2))
		}
	}
	_, err := FetchBackup(t.Context(), t.TempDir(), filepath.Join(t.TempDir(), "backup"), slog.New(slog.DiscardHandler))
	require.ErrorContains(t, err, "is no data folder of a node")
}

// What one node of a cluster has is enough to go on with, when the others are lost.
func TestANodeThatIsLeftIsSalvaged(t *testing.T) {
	c := newNodes(t, 3)
	n1 := c.nodes["n1"]
	for range 20 {
		_, err := n1.Do(t.Context(), 1, something(n1))
		require.NoError(t, err)
	}
	require.Equal(t, 20, noted(t, c.nodes["n3"], 1))
	path := filepath.Join(t.TempDir(), "backup")
	_, err := SalvageBackup(t.Context(), c.folder("n3"), path, "test")
	require.ErrorContains(t, err, "is in use")
	for _, name := range []string{"n1", "n2", "n3"} {
		c.stop(name)
	}
	_, err = SalvageBackup(t.Context(), c.folder("n3"), path, "test")
	require.NoError(t, err)
	left, err := os.ReadDir(filepath.Dir(path))
	require.NoError(t, err)
	require.Len(t, left, 1, "no scratch is left")

	_, err = RestoreBackup(path, c.folder("r1"), "r1")
	require.NoError(t, err)
	r1 := c.start("r1", func(config *Config) { config.Join = nil })
	require.Equal(t, 20, noted(t, r1, 1))
	_, err = r1.Do(t.Context(), 1, something(r1))
	require.NoError(t, err)
}
