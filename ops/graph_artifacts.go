package ops

import (
	"cmp"
	"context"
	"slices"

	"prefectd/prefect"
	"prefectd/store"
)

// GraphArtifact is an artifact as a graph shows it.
type GraphArtifact struct {
	ID       prefect.ID   `json:"id"`
	Created  prefect.Time `json:"created"`
	Key      *string      `json:"key"`
	Type     *string      `json:"type"`
	IsLatest bool         `json:"is_latest"` // also of one without a key
	Data     prefect.JSON `json:"data"`      // only of progress

	TaskRunID prefect.ID `json:"-" cbor:"task_run_id"`
}

// GraphArtifactsOf reads the artifacts of a flow run that this group holds.
type GraphArtifactsOf struct {
	RunID prefect.ID
	Limit int
}

// What the type of an artifact says.
const (
	resultType   = "result" // it is the data of a state
	progressType = "progress"
)

// Read answers a []*GraphArtifact.
func (q *GraphArtifactsOf) Read(tx *store.Tx, _ prefect.Time) (any, error) {
	list := []*GraphArtifact{}
	for a := range store.ArtifactsByFlowRun.Rows(tx, store.Range{Prefix: key(q.RunID)}) {
		if a.Type == nil || *a.Type == resultType { // as the reference leaves out what has no type
			continue
		}
		g := &GraphArtifact{ID: a.ID, Created: a.Created, Key: a.Key, Type: a.Type, IsLatest: a.Key == nil, TaskRunID: a.TaskRunID}
		if a.Key != nil {
			latest := collectionOf(tx, *a.Key)
			g.IsLatest = latest != nil && latest.LatestID == a.ID
		}
		if *a.Type == progressType {
			g.Data = a.Data
		}
		if list = append(list, g); len(list) >= q.Limit {
			break
		}
	}
	return list, nil
}

// graphArtifacts reads the artifacts of a flow run by the task runs that they are of, in
// order of their creation.
func graphArtifacts(ctx context.Context, b Backend, run prefect.ID) (map[prefect.ID][]*GraphArtifact, error) {
	parts, err := AskRuns[[]*GraphArtifact](ctx, b, &GraphArtifactsOf{RunID: run, Limit: b.Settings().GraphMaxArtifacts})
	if err != nil {
		return nil, err
	}
	all := slices.Concat(parts...)
	slices.SortFunc(all, func(x, y *GraphArtifact) int { return cmp.Or(cmp.Compare(x.Created, y.Created), x.ID.Compare(y.ID)) })
	byTask := map[prefect.ID][]*GraphArtifact{}
	for _, a := range all[:min(len(all), b.Settings().GraphMaxArtifacts)] {
		byTask[a.TaskRunID] = append(byTask[a.TaskRunID], a)
	}
	return byTask, nil
}
