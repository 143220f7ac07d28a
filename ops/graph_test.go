package ops

import (
	"testing"

	"github.com/stretchr/testify/require"

	"prefectd/prefect"
)

// Two task runs, of which one waited for the other, in both versions of the graph.
func TestGraphs(t *testing.T) {
	c := newTestCluster(t, 2)
	run := c.runningFlowRun(prefect.FlowRunPolicy{})
	up := c.newTaskRun(prefect.TaskRunCreate{FlowRunID: run.ID, TaskKey: "up", DynamicKey: "0"})
	input := prefect.TaskInput{InputType: "task_run", ID: up.ID}
	down := c.newTaskRun(prefect.TaskRunCreate{FlowRunID: run.ID, TaskKey: "down", DynamicKey: "0",
		TaskInputs: prefect.TaskInputs{"x": {input}, "y": {input}}})
	for _, task := range []prefect.ID{up.ID, down.ID} {
		c.setTaskRun(task, stateCreate(prefect.Running, ""))
		c.advance(prefect.Second)
	}
	c.setTaskRun(up.ID, stateCreate(prefect.Completed, ""))
	kind := "markdown"
	artifact := makeArtifact(c, prefect.ArtifactCreate{Type: &kind, FlowRunID: run.ID, TaskRunID: up.ID})

	g, err := ReadGraph(t.Context(), c, run.ID, 0)
	require.NoError(t, err)
	require.Equal(t, []prefect.ID{up.ID}, g.RootNodeIDs)
	require.Len(t, g.Nodes, 2)
	first, second := g.Nodes[0].Node, g.Nodes[1].Node
	require.Equal(t, []GraphEdge{{down.ID}}, first.Children)
	require.Equal(t, artifact.ID, first.Artifacts[0].ID)
	require.Equal(t, []GraphEdge{{up.ID}}, second.Parents)
	require.Equal(t, prefect.Running, second.StateType)

	g, err = ReadGraph(t.Context(), c, run.ID, c.Now())
	require.NoError(t, err)
	require.Len(t, g.Nodes, 1, "what ended before is left out")
	require.Equal(t, down.ID, g.Nodes[0].Node.ID)

	rows, err := Ask[[]Dependency](t.Context(), c, c.Groups().Of(run.ID), &ReadDependencies{RunID: run.ID})
	require.NoError(t, err)
	upstream := map[prefect.ID][]prefect.TaskInput{}
	for _, row := range rows {
		upstream[row.ID] = row.UpstreamDependencies
	}
	require.Equal(t, map[prefect.ID][]prefect.TaskInput{up.ID: nil, down.ID: {input}}, upstream)
}
