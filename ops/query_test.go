package ops

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"prefectd/prefect"
	"prefectd/store"
)

// world is a small cluster whose rows are also in memory, so that queries can be
// answered the plain way.
type world struct {
	*testCluster
	r        *rand.Rand
	flows    []*prefect.Flow
	runs     []*prefect.FlowRun
	tasks    []*prefect.TaskRun
	times    []prefect.Time
	names    []string
	tags     []string
	keys     []string
	deployed []prefect.ID

	deployments []*prefect.Deployment // of some of those ids; the others are gone
	queues      []*prefect.WorkQueue

	tasksOf map[prefect.ID][]*prefect.TaskRun
	runOf   map[prefect.ID]*prefect.FlowRun
}

func newWorld(t testing.TB, groups, runs int) *world {
	w := &world{testCluster: newTestCluster(t, groups), r: rand.New(rand.NewPCG(5, 1)), tasksOf: map[prefect.ID][]*prefect.TaskRun{}, runOf: map[prefect.ID]*prefect.FlowRun{}}
	for n := range 12 {
		w.times = append(w.times, at("2027-01-01T00:00:00Z").Add(prefect.Duration(n)*prefect.Minute))
	}
	long := strings.Repeat("long ", 250)
	w.names = []string{"alpha", "Alpha", "alphabet", "beta", "ünï", "", "a\x00b", "a_c", "100%", long + "x", "m" + long, "a"} // those of a long beginning are in no order
	w.tags = []string{"red", "green", "re", "with\x00zero", long}
	w.keys = []string{"k1", "k2", "k1\x00"}
	for n := range 3 {
		w.deployed = append(w.deployed, prefect.ID{9, byte(n), 15: byte(n)})
	}
	for n := range 4 {
		q := &prefect.WorkQueue{ID: prefect.ID{8, byte(n)}, Name: w.names[n], WorkPoolID: prefect.ID{7}}
		w.queues = append(w.queues, q)
		w.put(Coordination, func(tx *store.Tx) { store.WorkQueues.Put(tx, q) })
	}
	w.put(Coordination, func(tx *store.Tx) { store.WorkPools.Put(tx, &prefect.WorkPool{ID: prefect.ID{7}, Name: "pool"}) })
	for n := range 6 {
		f := &prefect.Flow{ID: w.NewID(), Name: fmt.Sprint("flow-", w.names[n%5], n), Tags: w.someTags(), Created: w.time(), Updated: w.time()}
		w.flows = append(w.flows, f)
		w.put(Coordination, func(tx *store.Tx) { store.Flows.Put(tx, f) })
	}
	for n, id := range w.deployed[:2] {
		for _, own := range []prefect.ID{id, {9, byte(n), 1}} {
			w.addDeployment(own)
		}
	}
	for range runs {
		w.addRun()
	}
	for _, group := range w.layout.RunGroups() {
		w.put(group, func(tx *store.Tx) { w.write(tx, group) })
	}
	return w
}

func (w *world) addDeployment(id prefect.ID) {
	queue := pick(w, w.queues)
	d := &prefect.Deployment{
		ID: id, Name: pick(w, w.names), FlowID: pick(w, w.flows[:4]).ID, Tags: w.someTags(), Paused: w.chance(50),
		WorkQueueID: queue.ID, WorkQueueName: &queue.Name, Created: w.time(), Updated: w.time(),
	}
	taken := func(o *prefect.Deployment) bool { return o.FlowID == d.FlowID && o.Name == d.Name }
	if !slices.ContainsFunc(w.deployments, taken) {
		w.deployments = append(w.deployments, d)
		w.put(Coordination, func(tx *store.Tx) { store.Deployments.Put(tx, d) })
	}
}

func (w *world) write(tx *store.Tx, group int) {
	for _, r := range w.runs {
		if w.layout.Of(r.ID) == group {
			store.FlowRuns.Put(tx, r)
		}
	}
	for _, t := range w.tasks {
		if w.layout.Of(home(t)) == group {
			store.TaskRuns.Put(tx, t)
		}
	}
}

func pick[T any](w *world, list []T) T { return list[w.r.IntN(len(list))] }

func (w *world) chance(percent int) bool { return w.r.IntN(100) < percent }

func (w *world) time() prefect.Time {
	if w.chance(25) {
		return 0
	}
	return pick(w, w.times)
}

// state is one of a few types, of which some are rare.
func (w *world) state() prefect.StateType {
	if w.chance(2) {
		return pick(w, prefect.StateTypes[4:6])
	}
	return pick(w, prefect.StateTypes[:4])
}

func (w *world) someTags() (tags []string) {
	for w.chance(50) {
		tags = append(tags, pick(w, w.tags))
	}
	return tags
}

func (w *world) addRun() {
	run := &prefect.FlowRun{
		ID: w.NewID(), Name: pick(w, w.names), FlowID: pick(w, w.flows).ID, Tags: w.someTags(),
		StateType: w.state(), StateTimestamp: w.time(),
		ExpectedStartTime: w.time(), StartTime: w.time(), EndTime: w.time(), NextScheduledStartTime: w.time(),
		TotalRunTime: prefect.Duration(w.r.IntN(4)) * prefect.Second,
	}
	name := pick(w, []string{run.StateType.Title(), "Late", "", "Retrying"})
	run.StateName = &name
	if w.chance(30) {
		run.DeploymentID = pick(w, w.deployed)
	}
	if w.chance(40) {
		run.WorkQueueID = pick(w, w.queues).ID
	}
	if w.chance(30) {
		run.IdempotencyKey = &w.keys[w.r.IntN(len(w.keys))]
		taken := func(r *prefect.FlowRun) bool {
			return r.IdempotencyKey != nil && r.FlowID == run.FlowID && *r.IdempotencyKey == *run.IdempotencyKey
		}
		if slices.ContainsFunc(w.runs, taken) {
			run.IdempotencyKey = nil
		}
	}
	if w.chance(30) && len(w.tasks) > 0 {
		parent := pick(w, w.tasks)
		run.ParentTaskRunID, parent.SubflowRunID = parent.ID, run.ID
	}
	w.runs, w.runOf[run.ID] = append(w.runs, run), run
	for w.chance(60) {
		w.addTask(run)
	}
}

func (w *world) addTask(run *prefect.FlowRun) {
	task := &prefect.TaskRun{
		ID: w.NewID(), Name: pick(w, w.names), FlowRunID: run.ID, TaskKey: "task", DynamicKey: fmt.Sprint(len(w.tasks)),
		Tags: w.someTags(), StateType: w.state(), StateTimestamp: w.time(),
		ExpectedStartTime: w.time(), StartTime: w.time(), EndTime: w.time(), NextScheduledStartTime: w.time(),
		TotalRunTime: prefect.Duration(w.r.IntN(4)) * prefect.Second,
	}
	if w.chance(15) {
		task.FlowRunID = prefect.NoID
	}
	name := task.StateType.Title()
	task.StateName = &name
	w.tasks = append(w.tasks, task)
	w.tasksOf[task.FlowRunID] = append(w.tasksOf[task.FlowRunID], task)
}

func home(task *prefect.TaskRun) prefect.ID {
	if task.FlowRunID.IsNull() {
		return task.ID
	}
	return task.FlowRunID
}

// draw makes random filters.
type draw struct {
	*rapid.T
	w *world
}

func maybe[V any](d draw, label string, percent int, value func() V) *V {
	if rapid.IntRange(0, 99).Draw(d.T, label+"?") >= percent {
		return nil
	}
	v := value()
	return &v
}

func some[V any](d draw, label string, list []V) []V {
	return rapid.SliceOfN(rapid.SampledFrom(list), 0, 3).Draw(d.T, label)
}

func (d draw) flag(label string) *bool {
	return maybe(d, label, 30, func() bool { return rapid.Bool().Draw(d.T, label) })
}

func (d draw) operator() prefect.Operator {
	return rapid.SampledFrom([]prefect.Operator{"", prefect.And, prefect.And, prefect.Or}).Draw(d.T, "operator")
}

func idList[T any](rows []*T, id func(*T) prefect.ID) []prefect.ID {
	list := make([]prefect.ID, len(rows))
	for i, r := range rows {
		list[i] = id(r)
	}
	return list
}

func flowID(f *prefect.Flow) prefect.ID       { return f.ID }
func flowRunID(r *prefect.FlowRun) prefect.ID { return r.ID }
func taskRunID(r *prefect.TaskRun) prefect.ID { return r.ID }

func (d draw) oneOf(label string, list []prefect.ID) prefect.FilterIDNot {
	f := prefect.FilterIDNot{}
	if rapid.Bool().Draw(d.T, label+" any") {
		f.Any = some(d, label, append(list, prefect.ID{1}))
	} else {
		f.NotAny = some(d, label, list)
	}
	return f
}

func (d draw) idOrNull(label string, list []prefect.ID) prefect.FilterIDOrNull {
	f := prefect.FilterIDOrNull{Operator: d.operator(), IsNull: d.flag(label + " null")}
	if rapid.Bool().Draw(d.T, label+" any") {
		f.Any = some(d, label, list)
	}
	return f
}

func (d draw) name() prefect.FilterName {
	if rapid.Bool().Draw(d.T, "like") {
		return prefect.FilterName{Like: rapid.SampledFrom([]string{"a", "ALPH", "b%t", "_", "%", "nope", "long x", "flow-"}).Draw(d.T, "like")}
	}
	return prefect.FilterName{Any: some(d, "names", append(d.w.names, d.w.flows[0].Name, d.w.flows[1].Name))}
}

func (d draw) tags() prefect.FilterTagsAny {
	f := prefect.FilterTagsAny{Operator: d.operator(), IsNull: d.flag("no tags")}
	if rapid.Bool().Draw(d.T, "all tags") {
		f.All = some(d, "all tags", d.w.tags)
	}
	if rapid.IntRange(0, 2).Draw(d.T, "any tag") == 0 {
		f.Any = some(d, "any tag", d.w.tags)
	}
	return f
}

func (d draw) span() (f prefect.FilterTime) {
	if rapid.Bool().Draw(d.T, "after") {
		f.After = rapid.SampledFrom(d.w.times).Draw(d.T, "after")
	}
	if rapid.Bool().Draw(d.T, "before") {
		f.Before = rapid.SampledFrom(d.w.times).Draw(d.T, "before")
	}
	return f
}

func (d draw) spanOrNull() prefect.FilterTimeOrNull {
	span := d.span()
	return prefect.FilterTimeOrNull{After: span.After, Before: span.Before, IsNull: d.flag("no time")}
}

func (d draw) states() []prefect.StateType { return some(d, "states", prefect.StateTypes[:6]) }

func (d draw) flowFilter() prefect.FlowFilter {
	return prefect.FlowFilter{
		Operator: d.operator(),
		ID:       maybe(d, "id", 25, func() prefect.FilterIDNot { return d.oneOf("id", idList(d.w.flows, flowID)) }),
		Name:     maybe(d, "name", 40, d.name),
		Tags: maybe(d, "tags", 25, func() prefect.FilterTags {
			t := d.tags()
			return prefect.FilterTags{Operator: t.Operator, All: t.All, IsNull: t.IsNull}
		}),
		Deployment: maybe(d, "deployment", 10, func() prefect.FlowFilterDeployment {
			return prefect.FlowFilterDeployment{IsNull: d.flag("no deployment")}
		}),
	}
}

func (d draw) flowRunFilter() prefect.FlowRunFilter {
	const often, seldom = 25, 8
	return prefect.FlowRunFilter{
		Operator:               d.operator(),
		ID:                     maybe(d, "id", seldom, func() prefect.FilterIDNot { return d.oneOf("id", idList(d.w.runs, flowRunID)) }),
		Name:                   maybe(d, "name", often, d.name),
		Tags:                   maybe(d, "tags", often, d.tags),
		DeploymentID:           maybe(d, "deployment", seldom, func() prefect.FilterIDOrNull { return d.idOrNull("deployment", d.w.deployed) }),
		StartTime:              maybe(d, "start", often, d.spanOrNull),
		EndTime:                maybe(d, "end", seldom, d.spanOrNull),
		ExpectedStartTime:      maybe(d, "expected", seldom, d.span),
		NextScheduledStartTime: maybe(d, "next", seldom, d.span),
		ParentTaskRunID:        maybe(d, "parent", seldom, func() prefect.FilterIDOrNull { return d.idOrNull("parent", idList(d.w.tasks, taskRunID)) }),
		ParentFlowRunID: maybe(d, "parent run", seldom, func() prefect.FlowRunFilterParentFlowRun {
			return prefect.FlowRunFilterParentFlowRun{Any: some(d, "parent run", idList(d.w.runs, flowRunID))}
		}),
		IdempotencyKey: maybe(d, "key", seldom, func() prefect.FilterTextNot {
			return prefect.FilterTextNot{Any: some(d, "key", append(d.w.keys, "other"))}
		}),
		State: maybe(d, "state", often, func() prefect.FlowRunFilterState {
			return prefect.FlowRunFilterState{
				Operator: d.operator(),
				Type:     maybe(d, "type", 70, func() prefect.FlowRunFilterStateType { return prefect.FlowRunFilterStateType{Any: d.states()} }),
				Name: maybe(d, "state name", 30, func() prefect.FilterTextNot {
					return prefect.FilterTextNot{Any: some(d, "state name", []string{"Late", "", "Pending"})}
				}),
			}
		}),
	}
}

func (d draw) taskRunFilter() prefect.TaskRunFilter {
	const often, seldom = 25, 8
	return prefect.TaskRunFilter{
		Operator: d.operator(),
		ID:       maybe(d, "id", seldom, func() prefect.FilterID { return prefect.FilterID{Any: some(d, "id", idList(d.w.tasks, taskRunID))} }),
		Name:     maybe(d, "name", often, d.name),
		Tags: maybe(d, "tags", often, func() prefect.FilterTags {
			t := d.tags()
			return prefect.FilterTags{Operator: t.Operator, All: t.All, IsNull: t.IsNull}
		}),
		StartTime:         maybe(d, "start", often, d.spanOrNull),
		EndTime:           maybe(d, "end", seldom, d.spanOrNull),
		ExpectedStartTime: maybe(d, "expected", seldom, d.span),
		SubflowRuns:       maybe(d, "subflow", seldom, func() prefect.TaskRunFilterSubflow { return prefect.TaskRunFilterSubflow{Exists: d.flag("exists")} }),
		FlowRunID: maybe(d, "run", seldom, func() prefect.TaskRunFilterFlowRun {
			return prefect.TaskRunFilterFlowRun{Any: some(d, "run", idList(d.w.runs, flowRunID)), IsNull: d.flag("no run")}
		}),
		State: maybe(d, "state", often, func() prefect.TaskRunFilterState {
			return prefect.TaskRunFilterState{Type: maybe(d, "type", 90, func() prefect.TaskRunFilterStateType {
				return prefect.TaskRunFilterStateType{Any: d.states()}
			})}
		}),
	}
}

func (d draw) scope() prefect.FlowRunsScope {
	return prefect.FlowRunsScope{
		FlowsScope: prefect.FlowsScope{
			Flows:       maybe(d, "flows", 30, d.flowFilter),
			FlowRuns:    maybe(d, "flow runs", 70, d.flowRunFilter),
			TaskRuns:    maybe(d, "task runs", 30, d.taskRunFilter),
			Deployments: maybe(d, "deployments", 20, d.deploymentFilter),
		},
		WorkPoolQueues: maybe(d, "queues", 15, func() prefect.WorkQueueFilter {
			return prefect.WorkQueueFilter{Name: maybe(d, "queue", 80, func() prefect.WorkQueueFilterName {
				return prefect.WorkQueueFilterName{Any: some(d, "queue", d.w.names[:4])}
			})}
		}),
	}
}

func (d draw) deploymentFilter() prefect.DeploymentFilter {
	return prefect.DeploymentFilter{
		Operator: d.operator(),
		ID:       maybe(d, "id", 20, func() prefect.FilterIDNot { return d.oneOf("id", d.w.deployed) }),
		Name:     maybe(d, "name", 20, d.name),
		FlowOrDeploymentName: maybe(d, "either name", 15, func() prefect.FilterFlowOrDeployment {
			return prefect.FilterFlowOrDeployment{Like: rapid.SampledFrom([]string{"", "flow-b", "alp", "a_c"}).Draw(d.T, "like")}
		}),
		Paused:        maybe(d, "paused", 15, func() prefect.FilterBool { return prefect.FilterBool{Eq: d.flag("paused")} }),
		Tags:          maybe(d, "tags", 15, d.tags),
		WorkQueueName: maybe(d, "queue name", 10, func() prefect.FilterText { return prefect.FilterText{Any: some(d, "queue name", d.w.names[:4])} }),
	}
}

// plainly answers queries by looking at everything.
type plainly struct {
	w     *world
	scope prefect.FlowRunsScope
}

func passing[T any](rows []*T, m *prefect.Matcher[T], also func(*T) bool) (list []*T) {
	for _, r := range rows {
		if m.Match(r, prefect.AllColumns) == prefect.Yes && also(r) {
			list = append(list, r)
		}
	}
	return list
}

// theDeployments are those that the filter of deployments lets pass.
func (p *plainly) theDeployments() []*prefect.Deployment {
	f := p.scope.Deployments
	if f != nil && f.FlowOrDeploymentName != nil {
		filter, either := *f, *f.FlowOrDeploymentName
		either.Flows = []prefect.ID{}
		like := prefect.Like("%" + either.Like + "%")
		for _, flow := range p.w.flows {
			if like(flow.Name) {
				either.Flows = append(either.Flows, flow.ID)
			}
		}
		filter.FlowOrDeploymentName = &either
		f = &filter
	}
	return passing(p.w.deployments, f.Compile(), func(*prefect.Deployment) bool { return true })
}

func (p *plainly) isDeployed(r *prefect.FlowRun) bool {
	return p.scope.Deployments == nil ||
		slices.ContainsFunc(p.theDeployments(), func(d *prefect.Deployment) bool { return d.ID == r.DeploymentID })
}

// withDeployed fills in the flows that have deployments.
func (p *plainly) withDeployed() *prefect.FlowFilter {
	if p.scope.Flows == nil || p.scope.Flows.Deployment == nil {
		return p.scope.Flows
	}
	filter, deployment := *p.scope.Flows, *p.scope.Flows.Deployment
	deployment.Flows = idList(p.w.deployments, func(d *prefect.Deployment) prefect.ID { return d.FlowID })
	filter.Deployment = &deployment
	return &filter
}

// waits reports whether a run is in one of the queues that are asked for.
func (p *plainly) waits(r *prefect.FlowRun) bool {
	m := p.scope.WorkPoolQueues.Compile()
	return p.scope.WorkPoolQueues == nil || slices.ContainsFunc(p.w.queues, func(q *prefect.WorkQueue) bool {
		return q.ID == r.WorkQueueID && m.Match(q, prefect.AllColumns) == prefect.Yes
	})
}

func (p *plainly) flowPasses(id prefect.ID) bool {
	m := p.withDeployed().Compile()
	return slices.ContainsFunc(p.w.flows, func(f *prefect.Flow) bool { return f.ID == id && m.Match(f, prefect.AllColumns) == prefect.Yes })
}

func (p *plainly) runMatcher() *prefect.Matcher[prefect.FlowRun] {
	f := p.scope.FlowRuns
	if f != nil && f.ParentFlowRunID != nil {
		filter, parent := *f, *f.ParentFlowRunID
		parent.TaskRuns = []prefect.ID{}
		for _, run := range parent.Any {
			parent.TaskRuns = append(parent.TaskRuns, idList(p.w.tasksOf[run], taskRunID)...)
		}
		filter.ParentFlowRunID = &parent
		f = &filter
	}
	return f.Compile()
}

func (p *plainly) flowRuns() []*prefect.FlowRun {
	tasks := p.scope.TaskRuns.Compile()
	return passing(p.w.runs, p.runMatcher(), func(r *prefect.FlowRun) bool {
		return p.flowPasses(r.FlowID) && p.waits(r) && p.isDeployed(r) && (p.scope.TaskRuns == nil || slices.ContainsFunc(p.w.tasksOf[r.ID], func(t *prefect.TaskRun) bool {
			return tasks.Match(t, prefect.AllColumns) == prefect.Yes
		}))
	})
}

func (p *plainly) taskRuns() []*prefect.TaskRun {
	above := p.scope.Flows != nil || p.scope.FlowRuns != nil || p.scope.Deployments != nil
	runs := p.runMatcher()
	return passing(p.w.tasks, p.scope.TaskRuns.Compile(), func(t *prefect.TaskRun) bool {
		r := p.w.runOf[t.FlowRunID]
		return !above || r != nil && p.flowPasses(r.FlowID) && p.isDeployed(r) && runs.Match(r, prefect.AllColumns) == prefect.Yes
	})
}

func (p *plainly) flows() []*prefect.Flow {
	deployments := p.theDeployments()
	runs := p.ofAnyDeployment().flowRuns()
	return passing(p.w.flows, p.withDeployed().Compile(), func(f *prefect.Flow) bool {
		return (p.scope.FlowRuns == nil && p.scope.TaskRuns == nil ||
			slices.ContainsFunc(runs, func(r *prefect.FlowRun) bool { return r.FlowID == f.ID })) &&
			(p.scope.Deployments == nil ||
				slices.ContainsFunc(deployments, func(d *prefect.Deployment) bool { return d.FlowID == f.ID }))
	})
}

// ofAnyDeployment asks the same, but not of deployments.
func (p *plainly) ofAnyDeployment() *plainly {
	q := *p
	q.scope.Deployments, q.scope.WorkPoolQueues = nil, nil
	return &q
}

func (p *plainly) listDeployments() []*prefect.Deployment {
	q := p.ofAnyDeployment()
	q.scope.Flows = nil
	runs, queues := q.flowRuns(), p.scope.WorkPoolQueues.Compile()
	return slices.DeleteFunc(p.theDeployments(), func(d *prefect.Deployment) bool {
		hasRun := slices.ContainsFunc(runs, func(r *prefect.FlowRun) bool { return r.DeploymentID == d.ID })
		waits := slices.ContainsFunc(p.w.queues, func(q *prefect.WorkQueue) bool {
			return q.ID == d.WorkQueueID && queues.Match(q, prefect.AllColumns) == prefect.Yes
		})
		return !p.flowPasses(d.FlowID) || !waits || (p.scope.FlowRuns != nil || p.scope.TaskRuns != nil) && !hasRun
	})
}

func page[T any](rows []*T, order func(a, b *T) int, limit, offset int, id func(*T) prefect.ID) []prefect.ID {
	rows = slices.Clone(rows)
	slices.SortFunc(rows, order)
	return idList(rows[min(offset, len(rows)):min(offset+limit, len(rows))], id)
}

func TestQueriesAgainstPlainOnes(t *testing.T) {
	for _, w := range []*world{newWorld(t, 3, 120), newWorld(t, 1, 3000)} {
		rapid.Check(t, func(t *rapid.T) {
			d := draw{t, w}
			p := &plainly{w: w, scope: d.scope()}
			limit, offset := rapid.IntRange(0, 30).Draw(t, "limit"), rapid.IntRange(0, 40).Draw(t, "offset")
			if rapid.Bool().Draw(t, "from the start") {
				offset = 0
			}
			switch rapid.IntRange(0, 6).Draw(t, "kind") {
			case 6:
				p.checkDeployments(d, limit, offset)
			case 0:
				p.checkFlows(d, limit, offset)
			case 1, 2:
				p.checkTaskRuns(d, limit, offset)
			case 3:
				p.checkFigures(d)
			default:
				p.checkFlowRuns(d, limit, offset)
			}
		})
	}
}

func (p *plainly) checkFlows(d draw, limit, offset int) {
	sort := prefect.FlowSort(rapid.SampledFrom(prefect.FlowSort("").EnumValues()).Draw(d.T, "sort"))
	p.scope.WorkPoolQueues = nil
	want := p.flows()
	got, count, err := PageFlows(d.w.t.Context(), d.w, &p.scope.FlowsScope, sort, limit, offset)
	require.NoError(d, err)
	require.Equal(d, page(want, sort.Order(), limit, offset, flowID), idList(got, flowID))
	require.Len(d, want, count)
	count, err = CountFlows(d.w.t.Context(), d.w, &p.scope.FlowsScope)
	require.NoError(d, err)
	require.Len(d, want, count)
}

func deploymentID(d *prefect.Deployment) prefect.ID { return d.ID }

func (p *plainly) checkDeployments(d draw, limit, offset int) {
	sort := prefect.DeploymentSort(rapid.SampledFrom(prefect.DeploymentSort("").EnumValues()).Draw(d.T, "sort"))
	by := map[prefect.DeploymentSort]func(a, b *prefect.Deployment) int{
		prefect.DeploymentCreatedDesc: func(a, b *prefect.Deployment) int { return cmp.Compare(b.Created, a.Created) },
		prefect.DeploymentUpdatedDesc: func(a, b *prefect.Deployment) int { return cmp.Compare(b.Updated, a.Updated) },
		prefect.DeploymentNameAsc:     func(a, b *prefect.Deployment) int { return cmp.Compare(a.Name, b.Name) },
		prefect.DeploymentNameDesc:    func(a, b *prefect.Deployment) int { return cmp.Compare(b.Name, a.Name) },
	}[sort]
	order := func(a, b *prefect.Deployment) int {
		if sort == prefect.DeploymentNameAsc {
			return cmp.Or(by(a, b), a.ID.Compare(b.ID))
		}
		return cmp.Or(by(a, b), b.ID.Compare(a.ID))
	}
	want := p.listDeployments()
	got, count, err := PageDeployments(d.w.t.Context(), d.w, &p.scope, sort, limit, offset)
	require.NoError(d, err)
	require.Equal(d, page(want, order, limit, offset, deploymentID), idList(got, deploymentID))
	require.Len(d, want, count)
	count, err = CountDeployments(d.w.t.Context(), d.w, &p.scope)
	require.NoError(d, err)
	require.Len(d, want, count)
}

func (p *plainly) checkFlowRuns(d draw, limit, offset int) {
	sort := prefect.FlowRunSort(rapid.SampledFrom(prefect.FlowRunSort("").EnumValues()).Draw(d.T, "sort"))
	want := p.flowRuns()
	got, count, err := PageFlowRuns(d.w.t.Context(), d.w, &p.scope, sort, limit, offset)
	require.NoError(d, err)
	require.Equal(d, page(want, sort.Order(), limit, offset, flowRunID), idList(got, flowRunID))
	require.Len(d, want, count)
	count, err = CountFlowRuns(d.w.t.Context(), d.w, &p.scope)
	require.NoError(d, err)
	require.Len(d, want, count)
}

func (p *plainly) taskScope() *prefect.TaskRunsScope {
	return &prefect.TaskRunsScope{Flows: p.scope.Flows, FlowRuns: p.scope.FlowRuns, TaskRuns: p.scope.TaskRuns, Deployments: p.scope.Deployments}
}

func (p *plainly) checkTaskRuns(d draw, limit, offset int) {
	sort := prefect.TaskRunSort(rapid.SampledFrom(prefect.TaskRunSort("").EnumValues()).Draw(d.T, "sort"))
	p.scope.WorkPoolQueues = nil
	want := p.taskRuns()
	got, count, err := PageTaskRuns(d.w.t.Context(), d.w, p.taskScope(), sort, limit, offset)
	require.NoError(d, err)
	require.Equal(d, page(want, sort.Order(d.w.Now()), limit, offset, taskRunID), idList(got, taskRunID))
	require.Len(d, want, count)
	count, err = CountTaskRuns(d.w.t.Context(), d.w, p.taskScope())
	require.NoError(d, err)
	require.Len(d, want, count)
}

// stopped is a world whose clock stands still: figures depend on it.
type stopped struct {
	*world
	now prefect.Time
}

func (s stopped) Now() prefect.Time { return s.now }

func (p *plainly) checkFigures(d draw) {
	b := stopped{d.w, d.w.times[6].Add(prefect.Second)}
	span := prefect.HistoryRange{Start: rapid.SampledFrom(d.w.times).Draw(d.T, "start"), End: rapid.SampledFrom(d.w.times).Draw(d.T, "end"), Seconds: 150}
	p.checkFlowRunFigures(d, b, span)
	p.scope.WorkPoolQueues = nil
	want, err := span.Buckets()
	require.NoError(d, err)
	for _, r := range p.taskRuns() {
		copied := *r
		want.AddTaskRun(&copied, b.now)
	}
	got, err := TaskRunHistory(d.w.t.Context(), b, p.taskScope(), span)
	require.NoError(d, err)
	require.Equal(d, want, got)
}

func (p *plainly) checkFlowRunFigures(d draw, b stopped, span prefect.HistoryRange) {
	want, err := span.Buckets()
	require.NoError(d, err)
	var late prefect.Duration
	runs := p.flowRuns()
	for _, r := range runs {
		copied := *r
		want.AddFlowRun(&copied, b.now)
		late += copied.EstimatedStartTimeDelta
	}
	got, err := FlowRunHistory(d.w.t.Context(), b, &p.scope, span)
	require.NoError(d, err)
	require.Equal(d, want, got)
	mean, err := AverageLateness(d.w.t.Context(), b, &p.scope)
	require.NoError(d, err)
	if len(runs) == 0 {
		require.Nil(d, mean)
		return
	}
	require.Equal(d, prefect.Float((late / prefect.Duration(len(runs))).Seconds()), *mean)
}
