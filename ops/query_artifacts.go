package ops

import (
	"context"

	"prefectd/prefect"
	"prefectd/store"
)

// ArtifactScope is what a query of artifacts is limited by beside their own filter: the
// runs that they are of, which were looked up.
type ArtifactScope struct {
	ByFlowRun bool // only artifacts of FlowRuns
	FlowRuns  []prefect.ID
	ByTaskRun bool // only artifacts of TaskRuns
	TaskRuns  []prefect.ID
}

// artifactScope looks up runs. nothing says that there are none.
func artifactScope(ctx context.Context, b Backend, f *prefect.TaskRunsScope) (s ArtifactScope, nothing bool, err error) {
	if f.Flows != nil || f.FlowRuns != nil || f.Deployments != nil {
		scope, err := runScope(ctx, b, &prefect.FlowRunsScope{FlowsScope: prefect.FlowsScope{
			Flows: f.Flows, FlowRuns: f.FlowRuns, Deployments: f.Deployments,
		}})
		if err != nil || scope.Nothing {
			return s, true, err
		}
		s.ByFlowRun = true
		if s.FlowRuns, err = concat(askEach[[]prefect.ID](ctx, b, scope.groups(b), &FlowRunIDs{scope})); err != nil {
			return s, false, err
		}
	}
	if f.TaskRuns != nil {
		scope, err := taskRunScope(ctx, b, &prefect.TaskRunsScope{TaskRuns: f.TaskRuns})
		if err != nil || scope.Nothing {
			return s, true, err
		}
		s.ByTaskRun = true
		if s.TaskRuns, err = concat(askEach[[]prefect.ID](ctx, b, scope.groups(b), &TaskRunIDs{scope})); err != nil {
			return s, false, err
		}
	}
	return s, s.ByFlowRun && len(s.FlowRuns) == 0 || s.ByTaskRun && len(s.TaskRuns) == 0, nil
}

func concat(parts [][]prefect.ID, err error) (ids []prefect.ID, _ error) {
	for _, p := range parts {
		ids = append(ids, p...)
	}
	return ids, err
}

// FlowRunIDs lists the flow runs of a group that match.
type FlowRunIDs struct {
	Scope RunScope
}

// Read answers a []prefect.ID.
func (q *FlowRunIDs) Read(tx *store.Tx, _ prefect.Time) (any, error) {
	ids := []prefect.ID{}
	searchFlowRuns(tx, &q.Scope).all(0, func(r *prefect.FlowRun) bool {
		ids = append(ids, r.ID)
		return true
	})
	return ids, nil
}

// TaskRunIDs lists the task runs of a group that match.
type TaskRunIDs struct {
	Scope RunScope
}

// Read answers a []prefect.ID.
func (q *TaskRunIDs) Read(tx *store.Tx, _ prefect.Time) (any, error) {
	ids := []prefect.ID{}
	searchTaskRuns(tx, &q.Scope, false).all(0, func(r *prefect.TaskRun) bool {
		ids = append(ids, r.ID)
		return true
	})
	return ids, nil
}

// FindArtifacts finds the first artifacts of a group in an order.
type FindArtifacts struct {
	Filter *prefect.ArtifactFilter
	Scope  ArtifactScope
	Sort   prefect.ArtifactSort
	Window
}

// Read answers a FoundRows[prefect.Artifact].
func (q *FindArtifacts) Read(tx *store.Tx, _ prefect.Time) (any, error) {
	s := &search[prefect.Artifact]{
		tx: tx, table: store.Artifacts, id: func(a *prefect.Artifact) *prefect.ID { return &a.ID },
		match: q.Filter.Compile(), wholes: ways(along(store.Artifacts, store.Range{})),
		total: func() int { return store.Artifacts.Count(tx, store.Range{}) },
	}
	plan := s.match.Plan()
	if plan.IDs != nil {
		s.paths = append(s.paths, along(store.Artifacts, each(plan.IDs, key, prefect.Span{}, false)...))
	}
	if plan.Names != nil {
		s.paths = append(s.paths, through(store.ArtifactsByKey, each(plan.Names, textKey, prefect.Span{}, false)...))
	}
	of := func(ix *store.Index[prefect.Artifact], ids []prefect.ID) {
		s.paths = append(s.paths, through(ix, each(ids, key, prefect.Span{}, false)...))
	}
	if plan.FlowRunIDs != nil {
		of(store.ArtifactsByFlowRun, plan.FlowRunIDs)
	}
	if plan.ParentTaskRuns != nil {
		of(store.ArtifactsByTaskRun, plan.ParentTaskRuns)
	}
	if q.Scope.ByFlowRun {
		in := setOfIDs(q.Scope.FlowRuns)
		s.limit(prefect.ColumnSet(9), func(a *prefect.Artifact) bool { return in(a.FlowRunID) })
		of(store.ArtifactsByFlowRun, q.Scope.FlowRuns)
	}
	if q.Scope.ByTaskRun {
		in := setOfIDs(q.Scope.TaskRuns)
		s.limit(prefect.ColumnSet(10), func(a *prefect.Artifact) bool { return in(a.TaskRunID) })
		of(store.ArtifactsByTaskRun, q.Scope.TaskRuns)
	}
	order := artifactOrder(q.Sort, func(a *prefect.Artifact) artifactPlace {
		return artifactPlace{a.ID, a.Created, a.Updated, a.Key}
	})
	answer := FoundRows[prefect.Artifact]{Places: s.first(order, q.From, q.Limit)}
	if q.Rows {
		answer.Rows = rowsOf(tx, store.Artifacts, placeIDs(answer.Places))
	}
	if q.Count {
		answer.Total = s.countAll()
	}
	return answer, nil
}

// FindCollections finds the first collections of artifacts of a group in an order.
type FindCollections struct {
	Filter *prefect.ArtifactCollectionFilter
	Scope  ArtifactScope
	Sort   prefect.ArtifactSort
	Window
}

// Read answers a FoundRows[prefect.ArtifactCollection].
func (q *FindCollections) Read(tx *store.Tx, _ prefect.Time) (any, error) {
	s := &search[prefect.ArtifactCollection]{
		tx: tx, table: store.ArtifactCollections, id: func(c *prefect.ArtifactCollection) *prefect.ID { return &c.ID },
		match: q.Filter.Compile(), wholes: ways(along(store.ArtifactCollections, store.Range{})),
		total: func() int { return store.ArtifactCollections.Count(tx, store.Range{}) },
	}
	plan := s.match.Plan()
	if plan.Names != nil {
		s.paths = append(s.paths, through(store.ArtifactCollectionsByKey, each(plan.Names, textKey, prefect.Span{}, false)...))
	}
	if plan.FlowRunIDs != nil {
		s.paths = append(s.paths, through(store.ArtifactCollectionsByFlowRun, each(plan.FlowRunIDs, key, prefect.Span{}, false)...))
	}
	if q.Scope.ByFlowRun {
		in := setOfIDs(q.Scope.FlowRuns)
		s.limit(prefect.ColumnSet(10), func(c *prefect.ArtifactCollection) bool { return in(c.FlowRunID) })
		s.paths = append(s.paths, through(store.ArtifactCollectionsByFlowRun, each(q.Scope.FlowRuns, key, prefect.Span{}, false)...))
	}
	if q.Scope.ByTaskRun {
		in := setOfIDs(q.Scope.TaskRuns)
		s.limit(prefect.ColumnSet(11), func(c *prefect.ArtifactCollection) bool { return in(c.TaskRunID) })
	}
	order := artifactOrder(q.Sort, func(c *prefect.ArtifactCollection) artifactPlace {
		return artifactPlace{c.ID, c.Created, c.Updated, &c.Key}
	})
	answer := FoundRows[prefect.ArtifactCollection]{Places: s.first(order, q.From, q.Limit)}
	if q.Rows {
		answer.Rows = rowsOf(tx, store.ArtifactCollections, placeIDs(answer.Places))
	}
	if q.Count {
		answer.Total = s.countAll()
	}
	return answer, nil
}

// countAll counts what passes.
func (s *search[T]) countAll() int {
	if s.isAll() {
		return s.total()
	}
	return s.count()
}

// artifactPlace is what orders of artifacts look at.
type artifactPlace struct {
	id               prefect.ID
	created, updated prefect.Time
	key              *string
}

// artifactOrder is an order of artifacts or collections, whose columns are alike as far
// as it looks at them.
func artifactOrder[T any](sort prefect.ArtifactSort, of func(*T) artifactPlace) *order[T] {
	o := &order[T]{desc: sort != prefect.ArtifactKeyAsc}
	switch sort {
	case prefect.ArtifactCreatedDesc:
		o.columns = prefect.ColumnSet(2)
		o.place = func(row *T, k store.Key) store.Key { p := of(row); return k.Time(p.created).ID(p.id) }
	case prefect.ArtifactUpdatedDesc:
		o.columns = prefect.ColumnSet(3)
		o.place = func(row *T, k store.Key) store.Key { p := of(row); return k.Time(p.updated).ID(p.id) }
	case prefect.ArtifactKeyAsc, prefect.ArtifactKeyDesc:
		o.columns = prefect.ColumnSet(4)
		o.place = func(row *T, k store.Key) store.Key {
			p := of(row)
			if p.key == nil {
				return k.Byte(0).ID(p.id)
			}
			return k.Byte(1).String(*p.key).ID(p.id)
		}
	default:
		o.place = func(row *T, k store.Key) store.Key { return k.ID(of(row).id) }
	}
	return o
}

// ListArtifacts reads a window of the artifacts that match.
func ListArtifacts(ctx context.Context, b Backend, q *prefect.ArtifactFilter, f *prefect.TaskRunsScope, sort prefect.ArtifactSort, w Window) ([]*prefect.Artifact, int, error) {
	scope, nothing, err := artifactScope(ctx, b, f)
	if err != nil || nothing {
		return []*prefect.Artifact{}, 0, err
	}
	return listing[prefect.Artifact]{
		groups: b.Groups().RunGroups(), desc: descends(string(sort)),
		find: func(w Window) Query { return &FindArtifacts{q, scope, sort, w} },
		read: func(ids []prefect.ID) Query { return &ReadArtifacts{ids} },
	}.rows(ctx, b, w)
}

// ListCollections reads a window of the collections that match.
func ListCollections(ctx context.Context, b Backend, q *prefect.ArtifactCollectionFilter, f *prefect.TaskRunsScope, sort prefect.ArtifactSort, w Window) ([]*prefect.ArtifactCollection, int, error) {
	scope, nothing, err := artifactScope(ctx, b, f)
	if err != nil || nothing {
		return []*prefect.ArtifactCollection{}, 0, err
	}
	return listing[prefect.ArtifactCollection]{
		groups: b.Groups().RunGroups(), desc: descends(string(sort)),
		find: func(w Window) Query { return &FindCollections{q, scope, sort, w} },
		read: func(ids []prefect.ID) Query { return &ReadCollections{ids} },
	}.rows(ctx, b, w)
}
