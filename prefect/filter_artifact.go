package prefect

// ArtifactFilter selects artifacts.
type ArtifactFilter struct {
	_         struct{}            `check:"closed"`
	Operator  Operator            `json:"operator,omitzero" check:"default=and_"`
	ID        *FilterID           `json:"id,omitzero"`
	Key       *ArtifactFilterKey  `json:"key,omitzero"`
	FlowRunID *FilterID           `json:"flow_run_id,omitzero"`
	TaskRunID *FilterID           `json:"task_run_id,omitzero"`
	Type      *ArtifactFilterType `json:"type,omitzero"`
}

// ArtifactCollectionFilter selects collections of artifacts.
type ArtifactCollectionFilter struct {
	_         struct{}            `check:"closed"`
	Operator  Operator            `json:"operator,omitzero" check:"default=and_"`
	LatestID  *FilterID           `json:"latest_id,omitzero"`
	Key       *ArtifactFilterKey  `json:"key,omitzero"`
	FlowRunID *FilterID           `json:"flow_run_id,omitzero"`
	TaskRunID *FilterID           `json:"task_run_id,omitzero"`
	Type      *ArtifactFilterType `json:"type,omitzero"`
}

// ArtifactFilterKey selects artifacts by key. Like is a part of it, where % and _ are
// wildcards.
type ArtifactFilterKey struct {
	_      struct{} `check:"closed,nullable"`
	Any    []string `json:"any_,omitzero"`
	Like   string   `json:"like_,omitzero"`
	Exists *bool    `json:"exists_,omitzero"`
}

// ArtifactFilterType selects artifacts by type.
type ArtifactFilterType struct {
	_      struct{} `check:"closed,nullable"`
	Any    []string `json:"any_,omitzero"`
	NotAny []string `json:"not_any_,omitzero"`
}

// The columns of artifacts that filters look at; all but the last three are those of
// collections too.
const (
	artifactID      Columns = 1 << 1
	artifactKey     Columns = 1 << 4
	artifactType    Columns = 1 << 5
	artifactFlowRun Columns = 1 << 9
	artifactTaskRun Columns = 1 << 10

	collectionLatest  Columns = 1 << 5
	collectionType    Columns = 1 << 6
	collectionFlowRun Columns = 1 << 10
	collectionTaskRun Columns = 1 << 11
)

// Compile makes the filter ready to match; a nil filter is passed by every artifact.
func (f *ArtifactFilter) Compile() *Matcher[Artifact] {
	if f == nil {
		return everything[Artifact]()
	}
	return compile(f.Operator,
		byID(f.ID, artifactID, func(a *Artifact) ID { return a.ID }),
		keyed(f.Key, artifactKey, func(a *Artifact) *string { return a.Key }),
		byRun(f.FlowRunID, artifactFlowRun, func(a *Artifact) ID { return a.FlowRunID }, func(p *Plan) *[]ID { return &p.FlowRunIDs }),
		byRun(f.TaskRunID, artifactTaskRun, func(a *Artifact) ID { return a.TaskRunID }, func(p *Plan) *[]ID { return &p.ParentTaskRuns }),
		ofType(f.Type, artifactType, func(a *Artifact) *string { return a.Type }))
}

// Compile makes the filter ready to match; a nil filter is passed by every collection.
func (f *ArtifactCollectionFilter) Compile() *Matcher[ArtifactCollection] {
	if f == nil {
		return everything[ArtifactCollection]()
	}
	return compile(f.Operator,
		byRun(f.LatestID, collectionLatest, func(c *ArtifactCollection) ID { return c.LatestID }, nil),
		keyed(f.Key, artifactKey, func(c *ArtifactCollection) *string { return &c.Key }),
		byRun(f.FlowRunID, collectionFlowRun, func(c *ArtifactCollection) ID { return c.FlowRunID }, func(p *Plan) *[]ID { return &p.FlowRunIDs }),
		byRun(f.TaskRunID, collectionTaskRun, func(c *ArtifactCollection) ID { return c.TaskRunID }, func(p *Plan) *[]ID { return &p.ParentTaskRuns }),
		ofType(f.Type, collectionType, func(c *ArtifactCollection) *string { return c.Type }))
}

// keyed makes the member of a filter that looks at the key of artifacts.
func keyed[T any](f *ArtifactFilterKey, needs Columns, get func(*T) *string) []clause[T] {
	if f == nil {
		return nil
	}
	members := [][]clause[T]{anyOf(f.Any, needs, func(row *T) (string, bool) { return textOf(get(row)) }, func(p *Plan) *[]string { return &p.Names })}
	if f.Like != "" {
		like := Like("%" + f.Like + "%")
		members = append(members, []clause[T]{where(needs, func(row *T) bool { key := get(row); return key != nil && like(*key) })})
	}
	if f.Exists != nil {
		want := *f.Exists
		members = append(members, []clause[T]{where(needs, func(row *T) bool { return (get(row) != nil) == want })})
	}
	return member(And, members...)
}

// byRun makes the member of a filter that looks at the id of another object.
func byRun[T any](f *FilterID, needs Columns, get func(*T) ID, plan func(*Plan) *[]ID) []clause[T] {
	if f == nil {
		return nil
	}
	return member(And, anyOf(f.Any, needs, func(row *T) (ID, bool) { return idOf(get(row)) }, plan))
}

// ofType makes the member of a filter that looks at the type of artifacts.
func ofType[T any](f *ArtifactFilterType, needs Columns, get func(*T) *string) []clause[T] {
	if f == nil {
		return nil
	}
	kind := func(row *T) (string, bool) { return textOf(get(row)) }
	return member(And, anyOf(f.Any, needs, kind, nil), noneOf(f.NotAny, needs, kind))
}

// ArtifactSort is an order of artifacts and of their collections. The zero value is by
// id, descending.
type ArtifactSort string

// The orders of artifacts.
const (
	ArtifactCreatedDesc ArtifactSort = "CREATED_DESC"
	ArtifactUpdatedDesc ArtifactSort = "UPDATED_DESC"
	ArtifactIDDesc      ArtifactSort = "ID_DESC"
	ArtifactKeyDesc     ArtifactSort = "KEY_DESC"
	ArtifactKeyAsc      ArtifactSort = "KEY_ASC"
)

// EnumValues lists the accepted texts.
func (ArtifactSort) EnumValues() []string {
	return []string{"CREATED_DESC", "UPDATED_DESC", "ID_DESC", "KEY_DESC", "KEY_ASC"}
}

// UnmarshalText reads the wire name.
func (s *ArtifactSort) UnmarshalText(text []byte) error { return choose(s, text) }

// ArtifactsQuery is the body of POST /artifacts/filter.
type ArtifactsQuery struct {
	_ struct{} `check:"params"`
	RowLimit
	Sort ArtifactSort `json:"sort,omitzero" check:"default=ID_DESC"`
	RowOffset
	Artifacts *ArtifactFilter `json:"artifacts,omitzero"`
	TaskRunsScope
}

// Window returns the rows that are asked for, of at most so many; the error is the
// text of a 422.
func (q *ArtifactsQuery) Window(most int) (limit, offset int, err error) {
	return window(q.RowLimit, q.RowOffset, most)
}

// ArtifactsCountQuery is the body of POST /artifacts/count.
type ArtifactsCountQuery struct {
	_         struct{}        `check:"params"`
	Artifacts *ArtifactFilter `json:"artifacts,omitzero"`
	TaskRunsScope
}

// LatestArtifactsQuery is the body of POST /artifacts/latest/filter.
type LatestArtifactsQuery struct {
	_ struct{} `check:"params"`
	RowLimit
	Sort ArtifactSort `json:"sort,omitzero" check:"default=ID_DESC"`
	RowOffset
	Artifacts *ArtifactCollectionFilter `json:"artifacts,omitzero"`
	TaskRunsScope
}

// Window returns the rows that are asked for, of at most so many; the error is the
// text of a 422.
func (q *LatestArtifactsQuery) Window(most int) (limit, offset int, err error) {
	return window(q.RowLimit, q.RowOffset, most)
}

// LatestArtifactsCountQuery is the body of POST /artifacts/latest/count.
type LatestArtifactsCountQuery struct {
	_         struct{}                  `check:"params"`
	Artifacts *ArtifactCollectionFilter `json:"artifacts,omitzero"`
	TaskRunsScope
}
