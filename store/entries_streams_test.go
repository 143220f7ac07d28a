package store

import (
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"prefectd/prefect"
)

func resource(id string) prefect.Resource { return prefect.Resource{"prefect.resource.id": id} }

func TestEventEntry(t *testing.T) {
	for _, name := range []string{"", "x", "prefect.", "prefect.flow-run.Running", "prefect.task-run.Completed", "prefect.worker.started", "other.flow-run.x"} {
		e := prefect.Event{Event: name, Resource: resource("a"), Related: []prefect.Resource{resource("b"), resource("c")}}
		entry := ParseEventEntry(Entry{cover: appendEventEntry(&e, nil)})
		require.Equal(t, name, entry.Name())
		require.Equal(t, HashResource("a"), entry.Resource())
		require.Equal(t, []uint64{ShortHash(HashResource("b")), ShortHash(HashResource("c"))}, slices.Collect(entry.Related()))
	}
	many := prefect.Event{Event: "many", Resource: resource("a")}
	for i := range 400 {
		many.Related = append(many.Related, resource(fmt.Sprint("r", i)))
	}
	entry := ParseEventEntry(Entry{cover: appendEventEntry(&many, nil)})
	require.Equal(t, "many", entry.Name())
	require.Len(t, slices.Collect(entry.Related()), 400)
}

func TestLogEntry(t *testing.T) {
	flow, task, other := prefect.ID{9, 15: 3}, prefect.ID{1, 2, 15: 3}, prefect.ID{2, 1, 15: 4}
	entry := func(l *prefect.Log) LogEntry {
		var key Key
		LogsByRun.Keys(l, nil, func(k Key) { key = k })
		return ParseLogEntry(Entry{Key: key, cover: appendLogEntry(l, nil)})
	}
	e := entry(&prefect.Log{Level: -7, FlowRunID: flow, TaskRunID: task})
	require.Equal(t, -7, e.Level)
	require.Equal(t, flow, e.FlowRunID)
	require.True(t, e.HasTaskRun())
	require.True(t, e.OfTaskRun(task))
	require.False(t, e.OfTaskRun(other))
	e = entry(&prefect.Log{Level: 20, FlowRunID: flow})
	require.Equal(t, 20, e.Level)
	require.Equal(t, flow, e.FlowRunID)
	require.False(t, e.HasTaskRun())
	e = entry(&prefect.Log{Level: 20, TaskRunID: task})
	require.Equal(t, prefect.NoID, e.FlowRunID)
	require.True(t, e.OfTaskRun(task))
}

func TestResourceKeys(t *testing.T) {
	id := "01a20646-4c1e-7000-8000-0000000000ff"
	require.Len(t, Key{}.Resource("prefect.flow-run."+id), resourceKeyLen)
	require.Len(t, Key{}.Resource("short"), resourceKeyLen)
	require.NotEqual(t, Key{}.Resource("prefect.flow-run."+id), Key{}.Resource("prefect.task-run."+id))
	require.Equal(t, Key{}.Resource("prefect.flow-run." + id)[:8], Key{}.Resource("prefect.task-run." + id)[:8])
}
