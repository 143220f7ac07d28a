package prefect

// DeploymentFilter selects deployments.
type DeploymentFilter struct {
	_                    struct{}                          `check:"closed"`
	Operator             Operator                          `json:"operator,omitzero" check:"default=and_"`
	ID                   *FilterIDNot                      `json:"id,omitzero"`
	Name                 *FilterName                       `json:"name,omitzero"`
	FlowOrDeploymentName *FilterFlowOrDeployment           `json:"flow_or_deployment_name,omitzero"`
	Paused               *FilterBool                       `json:"paused,omitzero"`
	Tags                 *FilterTagsAny                    `json:"tags,omitzero"`
	WorkQueueName        *FilterText                       `json:"work_queue_name,omitzero"`
	ConcurrencyLimit     *DeploymentFilterConcurrencyLimit `json:"concurrency_limit,omitzero"`
}

// FilterFlowOrDeployment selects deployments by a part of their name or of their flow's,
// in either case, where % and _ are wildcards.
type FilterFlowOrDeployment struct {
	_    struct{} `check:"closed,nullable"`
	Like string   `json:"like_,omitzero"`

	// Flows are those whose name matches, not nil. Rows of deployments do not tell, so
	// it is to be filled in before the filter is compiled.
	Flows []ID `json:"flows,omitzero" check:"-"`
}

// DeploymentFilterConcurrencyLimit is accepted for old clients, and ignored.
type DeploymentFilterConcurrencyLimit struct {
	_      struct{} `check:"closed"`
	GE     *int     `json:"ge_,omitzero"`
	LE     *int     `json:"le_,omitzero"`
	IsNull *bool    `json:"is_null_,omitzero"`
}

// FilterBool is a filter of a switch.
type FilterBool struct {
	_  struct{} `check:"closed"`
	Eq *bool    `json:"eq_,omitzero"`
}

// The columns of deployments that filters look at.
const (
	deploymentID     Columns = 1 << 1
	deploymentName   Columns = 1 << 4
	deploymentFlow   Columns = 1 << 7
	deploymentPaused Columns = 1 << 8
	deploymentTags   Columns = 1 << 13
	deploymentQueue  Columns = 1 << 15
)

// Compile makes the filter ready to match; a nil filter is passed by every deployment.
func (f *DeploymentFilter) Compile() *Matcher[Deployment] {
	if f == nil {
		return everything[Deployment]()
	}
	return compile(f.Operator,
		f.byID(),
		named(f.Name, deploymentName, func(d *Deployment) *string { return &d.Name }),
		f.FlowOrDeploymentName.clause(),
		f.Paused.clause(),
		tagged(f.Tags, deploymentTags, func(d *Deployment) []string { return d.Tags }),
		f.byQueueName())
}

func (f *DeploymentFilter) byID() []clause[Deployment] {
	if f.ID == nil {
		return nil
	}
	id := func(d *Deployment) (ID, bool) { return d.ID, true }
	return member(And, anyOf(f.ID.Any, deploymentID, id, planIDs), noneOf(f.ID.NotAny, deploymentID, id))
}

func (f *FilterFlowOrDeployment) clause() []clause[Deployment] {
	switch {
	case f == nil:
		return nil
	case f.Like == "":
		return member[Deployment](And)
	case f.Flows == nil:
		return []clause[Deployment]{{fixed: Maybe}}
	}
	like, ofFlow := Like("%"+f.Like+"%"), setOf(f.Flows)
	return member(And, []clause[Deployment]{where(deploymentName|deploymentFlow, func(d *Deployment) bool {
		return like(d.Name) || ofFlow(d.FlowID)
	})})
}

func (f *FilterBool) clause() []clause[Deployment] {
	switch {
	case f == nil:
		return nil
	case f.Eq == nil:
		return member[Deployment](And)
	}
	want := *f.Eq
	return member(And, []clause[Deployment]{where(deploymentPaused, func(d *Deployment) bool { return d.Paused == want })})
}

func (f *DeploymentFilter) byQueueName() []clause[Deployment] {
	if f.WorkQueueName == nil {
		return nil
	}
	return member(And, anyOf(f.WorkQueueName.Any, deploymentQueue,
		func(d *Deployment) (string, bool) { return textOf(d.WorkQueueName) }, nil))
}
