package prefect

// TaskRunFilter selects task runs.
type TaskRunFilter struct {
	_                 struct{}              `check:"closed"`
	Operator          Operator              `json:"operator,omitzero" check:"default=and_"`
	ID                *FilterID             `json:"id,omitzero"`
	Name              *FilterName           `json:"name,omitzero"`
	Tags              *FilterTags           `json:"tags,omitzero"`
	State             *TaskRunFilterState   `json:"state,omitzero"`
	StartTime         *FilterTimeOrNull     `json:"start_time,omitzero"`
	EndTime           *FilterTimeOrNull     `json:"end_time,omitzero"`
	ExpectedStartTime *FilterTime           `json:"expected_start_time,omitzero"`
	SubflowRuns       *TaskRunFilterSubflow `json:"subflow_runs,omitzero"`
	FlowRunID         *TaskRunFilterFlowRun `json:"flow_run_id,omitzero"`
}

// TaskRunFilterState selects task runs by their current state.
type TaskRunFilterState struct {
	_        struct{}                `check:"closed"`
	Operator Operator                `json:"operator,omitzero" check:"default=and_"`
	Type     *TaskRunFilterStateType `json:"type,omitzero"`
	Name     *FilterText             `json:"name,omitzero"`
}

// TaskRunFilterStateType selects task runs by the type of their state.
type TaskRunFilterStateType struct {
	_   struct{}    `check:"closed,nullable"`
	Any []StateType `json:"any_,omitzero"`
}

// TaskRunFilterSubflow selects the task runs that stand for a flow run, or those
// that don't.
type TaskRunFilterSubflow struct {
	_      struct{} `check:"closed"`
	Exists *bool    `json:"exists_,omitzero"`
}

// TaskRunFilterFlowRun selects task runs by their flow run. IsNull is false when it
// was not sent: then, without a list, only runs inside of flows pass. It is nil
// when null was sent.
type TaskRunFilterFlowRun struct {
	_        struct{} `check:"closed,nullable"`
	Operator Operator `json:"operator,omitzero" check:"default=and_"`
	Any      []ID     `json:"any_,omitzero"`
	IsNull   *bool    `json:"is_null_" check:"default=false"`
}

// The columns of task runs that filters look at.
const (
	taskRunID        Columns = 1 << 1
	taskRunName      Columns = 1 << 4
	taskRunFlowRun   Columns = 1 << 5
	taskRunTags      Columns = 1 << 12
	taskRunStateType Columns = 1 << 16
	taskRunStateName Columns = 1 << 17
	taskRunExpected  Columns = 1 << 20
	taskRunStart     Columns = 1 << 22
	taskRunEnd       Columns = 1 << 23
	taskRunSubflow   Columns = 1 << 26
)

// Compile makes the filter ready to match; a nil filter is passed by every run.
func (f *TaskRunFilter) Compile() *Matcher[TaskRun] {
	if f == nil {
		return everything[TaskRun]()
	}
	return compile(f.Operator,
		f.byID(),
		f.FlowRunID.clause(),
		f.SubflowRuns.clause(),
		f.State.clause(),
		timedOrNull(f.StartTime, taskRunStart,
			func(r *TaskRun) Time { return r.StartTime }, func(p *Plan) *Span { return &p.Start }),
		timedOrNull(f.EndTime, taskRunEnd,
			func(r *TaskRun) Time { return r.EndTime }, func(p *Plan) *Span { return &p.End }),
		timed(f.ExpectedStartTime, taskRunExpected,
			func(r *TaskRun) Time { return r.ExpectedStartTime }, func(p *Plan) *Span { return &p.Expected }),
		named(f.Name, taskRunName, func(r *TaskRun) *string { return &r.Name }),
		tagged(f.Tags.withAny(), taskRunTags, func(r *TaskRun) []string { return r.Tags }))
}

func (f *TaskRunFilter) byID() []clause[TaskRun] {
	if f.ID == nil {
		return nil
	}
	return member(And, anyOf(f.ID.Any, taskRunID, func(r *TaskRun) (ID, bool) { return r.ID, true }, planIDs))
}

func (f *TaskRunFilterState) clause() []clause[TaskRun] {
	if f == nil {
		return nil
	}
	var byType, byName []clause[TaskRun]
	if f.Type != nil {
		byType = typed(f.Type.Any, nil, taskRunStateType, func(r *TaskRun) StateType { return r.StateType })
	}
	if f.Name != nil {
		byName = anyOf(f.Name.Any, taskRunStateName, func(r *TaskRun) (string, bool) { return textOf(r.StateName) }, nil)
	}
	return member(f.Operator, byType, byName)
}

func (f *TaskRunFilterSubflow) clause() []clause[TaskRun] {
	switch {
	case f == nil:
		return nil
	case f.Exists == nil:
		return member[TaskRun](And)
	}
	want := *f.Exists
	return []clause[TaskRun]{where(taskRunSubflow, func(r *TaskRun) bool { return (r.SubflowRunID != NoID) == want })}
}

func (f *TaskRunFilterFlowRun) clause() []clause[TaskRun] {
	if f == nil {
		return nil
	}
	isNull := func(r *TaskRun) bool { return r.FlowRunID == NoID }
	if f.IsNull != nil && (*f.IsNull || f.Any == nil) {
		return nullness(f.IsNull, taskRunFlowRun, isNull)
	}
	return member(And, anyOf(f.Any, taskRunFlowRun,
		func(r *TaskRun) (ID, bool) { return idOf(r.FlowRunID) }, func(p *Plan) *[]ID { return &p.FlowRunIDs }))
}
