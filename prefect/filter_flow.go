package prefect

// FlowFilter selects flows.
type FlowFilter struct {
	_          struct{}              `check:"closed"`
	Operator   Operator              `json:"operator,omitzero" check:"default=and_"`
	ID         *FilterIDNot          `json:"id,omitzero"`
	Deployment *FlowFilterDeployment `json:"deployment,omitzero"`
	Name       *FilterName           `json:"name,omitzero"`
	Tags       *FilterTags           `json:"tags,omitzero"`
}

// FlowFilterDeployment selects flows with or without deployments.
type FlowFilterDeployment struct {
	_        struct{} `check:"closed,nullable"`
	Operator Operator `json:"operator,omitzero" check:"default=and_"`
	IsNull   *bool    `json:"is_null_,omitzero"`

	// Flows are those that have deployments, not nil. Rows of flows do not tell, so
	// it is to be filled in before the filter is compiled.
	Flows []ID `json:"flows,omitzero" check:"-"`
}

// The columns of flows that filters look at.
const (
	flowID   Columns = 1 << 1
	flowName Columns = 1 << 4
	flowTags Columns = 1 << 5
)

// Compile makes the filter ready to match; a nil filter is passed by every flow.
func (f *FlowFilter) Compile() *Matcher[Flow] {
	if f == nil {
		return everything[Flow]()
	}
	return compile(f.Operator,
		f.byID(),
		f.Deployment.clause(),
		named(f.Name, flowName, func(r *Flow) *string { return &r.Name }),
		tagged(f.Tags.withAny(), flowTags, func(r *Flow) []string { return r.Tags }))
}

func (f *FlowFilter) byID() []clause[Flow] {
	if f.ID == nil {
		return nil
	}
	id := func(r *Flow) (ID, bool) { return r.ID, true }
	return member(And, anyOf(f.ID.Any, flowID, id, planIDs), noneOf(f.ID.NotAny, flowID, id))
}

func (f *FlowFilterDeployment) clause() []clause[Flow] {
	switch {
	case f == nil:
		return nil
	case f.IsNull != nil && f.Flows == nil:
		return []clause[Flow]{{fixed: Maybe}}
	}
	deployed := setOf(f.Flows)
	return member(And, nullness(f.IsNull, flowID, func(r *Flow) bool { return !deployed(r.ID) }))
}

// withAny is the filter with the member that it lacks.
func (f *FilterTags) withAny() *FilterTagsAny {
	if f == nil {
		return nil
	}
	return &FilterTagsAny{Operator: f.Operator, All: f.All, IsNull: f.IsNull}
}

func planIDs(p *Plan) *[]ID { return &p.IDs }
