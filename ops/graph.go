package ops

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"prefectd/prefect"
	"prefectd/store"
)

// Graph is the second version of a flow run's graph: its task runs and subflow
// runs as nodes, the data that flowed between them as edges.
type Graph struct {
	StartTime   prefect.Time     `json:"start_time"`
	EndTime     prefect.Time     `json:"end_time"`
	RootNodeIDs []prefect.ID     `json:"root_node_ids"`
	Nodes       []GraphEntry     `json:"nodes"`
	Artifacts   []*GraphArtifact `json:"artifacts"` // of the flow run itself
	States      []GraphState     `json:"states"`
}

// GraphEntry prints as a pair of id and node.
type GraphEntry struct {
	Node *GraphNode
}

// MarshalJSON prints [id, node].
func (e GraphEntry) MarshalJSON() ([]byte, error) {
	return prefect.Marshal([]any{e.Node.ID, e.Node})
}

// GraphNode is a task run, or the flow run that runs as one.
type GraphNode struct {
	Kind          string            `json:"kind"`
	ID            prefect.ID        `json:"id"`
	Label         string            `json:"label"`
	StateType     prefect.StateType `json:"state_type"`
	StartTime     prefect.Time      `json:"start_time"`
	EndTime       prefect.Time      `json:"end_time"`
	Parents       []GraphEdge       `json:"parents"`
	Children      []GraphEdge       `json:"children"`
	Encapsulating []GraphEdge       `json:"encapsulating"`
	Artifacts     []*GraphArtifact  `json:"artifacts"`

	task   prefect.ID // the task run that the node stands for
	inputs prefect.TaskInputs
}

// GraphEdge points at a node.
type GraphEdge struct {
	ID prefect.ID `json:"id"`
}

// GraphState is a state that the flow run passed through.
type GraphState struct {
	ID        prefect.ID        `json:"id"`
	Timestamp prefect.Time      `json:"timestamp"`
	Type      prefect.StateType `json:"type"`
	Name      string            `json:"name"`
}

// graphRows is what a graph is made of, from the flow run's group.
type graphRows struct {
	Run    *prefect.FlowRun
	States []*prefect.State
	Tasks  []*prefect.TaskRun
}

// readGraphRows reads a flow run with its states and up to Limit task runs.
type readGraphRows struct {
	RunID prefect.ID
	Limit int
}

// Read answers a *graphRows, nil for an unknown run.
func (q *readGraphRows) Read(tx *store.Tx, now prefect.Time) (any, error) {
	run := flowRun(tx, q.RunID)
	if run == nil {
		return (*graphRows)(nil), nil
	}
	rows := &graphRows{Run: run, States: history(tx, store.FlowRunStates, run.StateID)}
	for task := range store.TaskRunsByKey.Rows(tx, store.Range{Prefix: key(q.RunID)}) {
		if rows.Tasks = append(rows.Tasks, task); len(rows.Tasks) >= q.Limit {
			break
		}
		task.Compute(now)
	}
	return rows, nil
}

// readFlowRuns reads flow runs by id, those that this group holds.
type readFlowRuns struct {
	IDs []prefect.ID
}

// Read answers a []*prefect.FlowRun without their states.
func (q *readFlowRuns) Read(tx *store.Tx, _ prefect.Time) (any, error) {
	var runs []*prefect.FlowRun
	for _, id := range q.IDs {
		if run := flowRun(tx, id); run != nil {
			runs = append(runs, run)
		}
	}
	return runs, nil
}

// ReadGraph builds the graph of a flow run; nodes that ended before since are
// left out.
func ReadGraph(ctx context.Context, b Backend, id prefect.ID, since prefect.Time) (*Graph, error) {
	limit := b.Settings().GraphMaxNodes
	rows, err := Ask[*graphRows](ctx, b, b.Groups().Of(id), &readGraphRows{RunID: id, Limit: limit + 1})
	if err != nil {
		return nil, err
	}
	if rows == nil {
		return nil, NotFoundModel("Flow run " + id.String() + " not found")
	}
	nodes, err := graphNodes(ctx, b, rows.Tasks)
	if err != nil {
		return nil, err
	}
	artifacts, err := graphArtifacts(ctx, b, id)
	if err != nil {
		return nil, err
	}
	for _, n := range nodes {
		n.Artifacts = artifacts[n.task]
	}
	connect(nodes)
	nodes = slices.DeleteFunc(nodes, func(n *GraphNode) bool { return !n.EndTime.IsNull() && n.EndTime < since })
	if len(nodes) > limit {
		return nil, BadRequest(fmt.Sprintf("The graph of flow run %s has more than %d nodes.", id, limit))
	}
	g := &Graph{StartTime: rows.Run.StartTime, EndTime: rows.Run.EndTime, Artifacts: artifacts[prefect.NoID]}
	if g.StartTime.IsNull() {
		g.StartTime = rows.Run.ExpectedStartTime
	}
	for _, n := range nodes {
		if len(n.Parents) == 0 {
			g.RootNodeIDs = append(g.RootNodeIDs, n.ID)
		}
		g.Nodes = append(g.Nodes, GraphEntry{n})
	}
	for _, s := range rows.States {
		g.States = append(g.States, GraphState{s.ID, s.Timestamp, s.Type, s.Name})
	}
	return g, nil
}

// graphNodes makes the nodes, in order of their start; a task run that a flow
// run runs as is shown as that flow run.
func graphNodes(ctx context.Context, b Backend, tasks []*prefect.TaskRun) ([]*GraphNode, error) {
	subflows, err := readSubflows(ctx, b, tasks)
	if err != nil {
		return nil, err
	}
	var nodes []*GraphNode
	for _, t := range tasks {
		n := &GraphNode{
			Kind: "task-run", ID: t.ID, Label: t.Name, StateType: t.StateType,
			StartTime: cmp.Or(t.StartTime, t.ExpectedStartTime), EndTime: t.EndTime, task: t.ID, inputs: t.TaskInputs,
		}
		if n.EndTime.IsNull() && t.StateType == prefect.Completed {
			n.EndTime = t.ExpectedStartTime
		}
		if sub := subflows[t.SubflowRunID]; sub != nil {
			n.Kind, n.ID, n.Label, n.StateType = "flow-run", sub.run.ID, sub.flow+" / "+sub.run.Name, sub.run.StateType
			n.StartTime = cmp.Or(sub.run.StartTime, sub.run.ExpectedStartTime, n.StartTime)
			n.EndTime = cmp.Or(sub.run.EndTime, n.EndTime)
		}
		if !n.StartTime.IsNull() {
			nodes = append(nodes, n)
		}
	}
	slices.SortStableFunc(nodes, func(x, y *GraphNode) int {
		return cmp.Or(cmp.Compare(x.StartTime, y.StartTime), cmp.Compare(x.EndTime, y.EndTime), x.ID.Compare(y.ID))
	})
	return nodes, nil
}

type subflow struct {
	run  *prefect.FlowRun
	flow string
}

func readSubflows(ctx context.Context, b Backend, tasks []*prefect.TaskRun) (map[prefect.ID]*subflow, error) {
	perGroup := map[int][]prefect.ID{}
	for _, t := range tasks {
		if !t.SubflowRunID.IsNull() {
			group := b.Groups().Of(t.SubflowRunID)
			perGroup[group] = append(perGroup[group], t.SubflowRunID)
		}
	}
	found := map[prefect.ID]*subflow{}
	names := map[prefect.ID]string{}
	for group, ids := range perGroup {
		runs, err := Ask[[]*prefect.FlowRun](ctx, b, group, &readFlowRuns{IDs: ids})
		if err != nil {
			return nil, err
		}
		for _, run := range runs {
			name, known := names[run.FlowID]
			if !known {
				flow, err := Ask[*FlowRef](ctx, b, Coordination, &ReadFlowRef{ID: run.FlowID})
				if err != nil {
					return nil, err
				}
				if flow != nil {
					name = flow.Name
				}
				names[run.FlowID] = name
			}
			found[run.ID] = &subflow{run, name}
		}
	}
	return found, nil
}

// connect turns the inputs of the nodes into edges. The parameter __parents__
// names the task runs that a node was called inside of.
func connect(nodes []*GraphNode) {
	byTask := make(map[prefect.ID]*GraphNode, 2*len(nodes))
	for _, n := range nodes {
		byTask[n.task], byTask[n.ID] = n, n
	}
	for _, n := range nodes {
		parents := map[prefect.ID]bool{}
		for parameter, inputs := range n.inputs {
			for _, in := range inputs {
				from := byTask[in.ID]
				switch {
				case from == nil:
				case parameter == "__parents__":
					if !slices.Contains(n.Encapsulating, GraphEdge{from.ID}) {
						n.Encapsulating = append(n.Encapsulating, GraphEdge{from.ID})
					}
				case !parents[from.ID]:
					parents[from.ID] = true
					n.Parents = append(n.Parents, GraphEdge{from.ID})
					from.Children = append(from.Children, GraphEdge{n.ID})
				}
			}
		}
		slices.SortFunc(n.Parents, func(x, y GraphEdge) int { return x.ID.Compare(y.ID) })
	}
}

// Dependency is one row of the first version of a flow run's graph: a task run
// and what it took its inputs from.
type Dependency struct {
	ID                   prefect.ID          `json:"id"`
	Name                 string              `json:"name"`
	UpstreamDependencies []prefect.TaskInput `json:"upstream_dependencies"`
	State                *prefect.State      `json:"state"`
	ExpectedStartTime    prefect.Time        `json:"expected_start_time"`
	StartTime            prefect.Time        `json:"start_time"`
	EndTime              prefect.Time        `json:"end_time"`
	TotalRunTime         prefect.Duration    `json:"total_run_time"`
	EstimatedRunTime     prefect.Duration    `json:"estimated_run_time"`
	UntrackableResult    bool                `json:"untrackable_result"`
}

// ReadDependencies reads the first version of a flow run's graph.
type ReadDependencies struct {
	RunID prefect.ID
}

// Read answers a []Dependency; 404 for an unknown run.
func (q *ReadDependencies) Read(tx *store.Tx, now prefect.Time) (any, error) {
	if !store.FlowRuns.Has(tx, key(q.RunID)) {
		return nil, NotFoundModel("Flow run with id " + q.RunID.String() + " not found")
	}
	list := []Dependency{}
	for t := range store.TaskRunsByKey.Rows(tx, store.Range{Prefix: key(q.RunID)}) {
		completeTaskRun(tx, t, now)
		d := Dependency{
			ID: t.ID, Name: t.Name, State: t.State, ExpectedStartTime: t.ExpectedStartTime, StartTime: t.StartTime,
			EndTime: t.EndTime, TotalRunTime: t.TotalRunTime, EstimatedRunTime: t.EstimatedRunTime,
		}
		for _, inputs := range t.TaskInputs {
			for _, in := range inputs {
				// The answer knows task runs only; other sources have no node.
				if in.InputType == "task_run" && !slices.Contains(d.UpstreamDependencies, in) {
					d.UpstreamDependencies = append(d.UpstreamDependencies, in)
				}
			}
		}
		if t.State != nil {
			d.UntrackableResult = t.State.Details.UntrackableResult
		}
		list = append(list, d)
	}
	return list, nil
}
