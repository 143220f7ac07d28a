package prefect

// FlowRunFilter selects flow runs.
type FlowRunFilter struct {
	_                      struct{}                    `check:"closed"`
	Operator               Operator                    `json:"operator,omitzero" check:"default=and_"`
	ID                     *FilterIDNot                `json:"id,omitzero"`
	Name                   *FilterName                 `json:"name,omitzero"`
	Tags                   *FilterTagsAny              `json:"tags,omitzero"`
	DeploymentID           *FilterIDOrNull             `json:"deployment_id,omitzero"`
	WorkQueueName          *FilterTextOrNull           `json:"work_queue_name,omitzero"`
	State                  *FlowRunFilterState         `json:"state,omitzero"`
	FlowVersion            *FilterText                 `json:"flow_version,omitzero"`
	StartTime              *FilterTimeOrNull           `json:"start_time,omitzero"` // or the expected one
	EndTime                *FilterTimeOrNull           `json:"end_time,omitzero"`
	ExpectedStartTime      *FilterTime                 `json:"expected_start_time,omitzero"`
	NextScheduledStartTime *FilterTime                 `json:"next_scheduled_start_time,omitzero"`
	ParentFlowRunID        *FlowRunFilterParentFlowRun `json:"parent_flow_run_id,omitzero"`
	ParentTaskRunID        *FilterIDOrNull             `json:"parent_task_run_id,omitzero"`
	IdempotencyKey         *FilterTextNot              `json:"idempotency_key,omitzero"`
	CreatedBy              *FlowRunFilterCreatedBy     `json:"created_by,omitzero"`
}

// FlowRunFilterState selects flow runs by their current state.
type FlowRunFilterState struct {
	_        struct{}                `check:"closed"`
	Operator Operator                `json:"operator,omitzero" check:"default=and_"`
	Type     *FlowRunFilterStateType `json:"type,omitzero"`
	Name     *FilterTextNot          `json:"name,omitzero"`
}

// FlowRunFilterStateType selects flow runs by the type of their state.
type FlowRunFilterStateType struct {
	_      struct{}    `check:"closed,nullable"`
	Any    []StateType `json:"any_,omitzero"`
	NotAny []StateType `json:"not_any_,omitzero"`
}

// FlowRunFilterParentFlowRun selects the flow runs that others started.
type FlowRunFilterParentFlowRun struct {
	_        struct{} `check:"closed,nullable"`
	Operator Operator `json:"operator,omitzero" check:"default=and_"`
	Any      []ID     `json:"any_,omitzero"`

	// TaskRuns are the task runs of the flow runs in Any, not nil: a run knows its
	// parent by them. To be filled in before the filter is compiled.
	TaskRuns []ID `json:"task_runs,omitzero" check:"-"`
}

// FlowRunFilterCreatedBy selects flow runs by who made them.
type FlowRunFilterCreatedBy struct {
	_        struct{} `check:"closed,nullable"`
	Operator Operator `json:"operator,omitzero" check:"default=and_"`
	ID       []ID     `json:"id_,omitzero"`
	Type     []string `json:"type_,omitzero"`
	IsNull   *bool    `json:"is_null_,omitzero"`
}

// The columns of flow runs that filters look at.
const (
	flowRunID             Columns = 1 << 1
	flowRunName           Columns = 1 << 4
	flowRunDeployment     Columns = 1 << 7
	flowRunQueueName      Columns = 1 << 10
	flowRunVersion        Columns = 1 << 11
	flowRunIdempotencyKey Columns = 1 << 13
	flowRunTags           Columns = 1 << 16
	flowRunParent         Columns = 1 << 18
	flowRunStateType      Columns = 1 << 19
	flowRunStateName      Columns = 1 << 20
	flowRunExpected       Columns = 1 << 22
	flowRunNext           Columns = 1 << 23
	flowRunStart          Columns = 1 << 24
	flowRunEnd            Columns = 1 << 25
	flowRunCreatedBy      Columns = 1 << 30
)

// Compile makes the filter ready to match; a nil filter is passed by every run.
func (f *FlowRunFilter) Compile() *Matcher[FlowRun] {
	if f == nil {
		return everything[FlowRun]()
	}
	return compile(f.Operator,
		f.byID(),
		f.byStart(),
		f.State.clause(),
		idOrNull(f.DeploymentID, flowRunDeployment,
			func(r *FlowRun) ID { return r.DeploymentID }, func(p *Plan) *[]ID { return &p.DeploymentIDs }),
		timed(f.ExpectedStartTime, flowRunExpected,
			func(r *FlowRun) Time { return r.ExpectedStartTime }, func(p *Plan) *Span { return &p.Expected }),
		timed(f.NextScheduledStartTime, flowRunNext,
			func(r *FlowRun) Time { return r.NextScheduledStartTime }, func(p *Plan) *Span { return &p.Next }),
		timedOrNull(f.EndTime, flowRunEnd,
			func(r *FlowRun) Time { return r.EndTime }, func(p *Plan) *Span { return &p.End }),
		named(f.Name, flowRunName, func(r *FlowRun) *string { return &r.Name }),
		tagged(f.Tags, flowRunTags, func(r *FlowRun) []string { return r.Tags }),
		f.byParent(),
		idOrNull(f.ParentTaskRunID, flowRunParent, func(r *FlowRun) ID { return r.ParentTaskRunID }, planParents),
		f.byTexts(),
		f.CreatedBy.clause())
}

func (f *FlowRunFilter) byID() []clause[FlowRun] {
	if f.ID == nil {
		return nil
	}
	id := func(r *FlowRun) (ID, bool) { return r.ID, true }
	return member(And, anyOf(f.ID.Any, flowRunID, id, planIDs), noneOf(f.ID.NotAny, flowRunID, id))
}

// byStart looks at the expected start of a run that has not started; is_null_ asks
// for the start alone.
func (f *FlowRunFilter) byStart() []clause[FlowRun] {
	if f.StartTime == nil {
		return nil
	}
	return member(And,
		spanned(Span{f.StartTime.After, f.StartTime.Before}, flowRunStart|flowRunExpected,
			(*FlowRun).Start, func(p *Plan) *Span { return &p.Start }),
		nullness(f.StartTime.IsNull, flowRunStart, func(r *FlowRun) bool { return r.StartTime == 0 }))
}

// byTexts has the members that look at texts without a meaning of their own.
func (f *FlowRunFilter) byTexts() (members []clause[FlowRun]) {
	if q := f.WorkQueueName; q != nil {
		members = append(members, combine(q.Operator,
			anyOf(q.Any, flowRunQueueName, func(r *FlowRun) (string, bool) { return textOf(r.WorkQueueName) }, nil),
			nullness(q.IsNull, flowRunQueueName, func(r *FlowRun) bool { return r.WorkQueueName == nil })))
	}
	if v := f.FlowVersion; v != nil {
		members = append(members, combine(And,
			anyOf(v.Any, flowRunVersion, func(r *FlowRun) (string, bool) { return textOf(r.FlowVersion) }, nil)))
	}
	if k := f.IdempotencyKey; k != nil {
		key := func(r *FlowRun) (string, bool) { return textOf(r.IdempotencyKey) }
		members = append(members, combine(And,
			anyOf(k.Any, flowRunIdempotencyKey, key, func(p *Plan) *[]string { return &p.IdempotencyKeys }),
			noneOf(k.NotAny, flowRunIdempotencyKey, key)))
	}
	return members
}

// byParent looks for the task run that stands for a run in its parent.
func (f *FlowRunFilter) byParent() []clause[FlowRun] {
	p := f.ParentFlowRunID
	switch {
	case p == nil:
		return nil
	case p.Any == nil:
		return member[FlowRun](And)
	case len(p.Any) == 0:
		return []clause[FlowRun]{constant[FlowRun](No)}
	case p.TaskRuns == nil:
		return []clause[FlowRun]{{fixed: Maybe}}
	}
	return anyOf(p.TaskRuns, flowRunParent, func(r *FlowRun) (ID, bool) { return idOf(r.ParentTaskRunID) }, planParents)
}

func (f *FlowRunFilterState) clause() []clause[FlowRun] {
	if f == nil {
		return nil
	}
	var byType, byName []clause[FlowRun]
	if t := f.Type; t != nil {
		byType = typed(t.Any, t.NotAny, flowRunStateType, func(r *FlowRun) StateType { return r.StateType })
	}
	if n := f.Name; n != nil {
		name := func(r *FlowRun) (string, bool) { return textOf(r.StateName) }
		byName = both(anyOf(n.Any, flowRunStateName, name, nil), noneOf(n.NotAny, flowRunStateName, name))
	}
	return member(f.Operator, byType, byName)
}

func (f *FlowRunFilterCreatedBy) clause() []clause[FlowRun] {
	if f == nil {
		return nil
	}
	id := func(r *FlowRun) (ID, bool) {
		if r.CreatedBy == nil {
			return NoID, false
		}
		return idOf(r.CreatedBy.ID)
	}
	kind := func(r *FlowRun) (string, bool) {
		if r.CreatedBy == nil {
			return "", false
		}
		return textOf(r.CreatedBy.Type)
	}
	return member(f.Operator,
		anyOf(f.ID, flowRunCreatedBy, id, nil),
		anyOf(f.Type, flowRunCreatedBy, kind, nil),
		nullness(f.IsNull, flowRunCreatedBy, func(r *FlowRun) bool { return r.CreatedBy == nil }))
}

func planParents(p *Plan) *[]ID { return &p.ParentTaskRuns }
