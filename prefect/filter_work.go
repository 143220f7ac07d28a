package prefect

import "slices"

// WorkPoolFilter selects work pools.
type WorkPoolFilter struct {
	_        struct{}    `check:"closed"`
	Operator Operator    `json:"operator,omitzero" check:"default=and_"`
	ID       *FilterID   `json:"id,omitzero"`
	Name     *FilterText `json:"name,omitzero"`
	Type     *FilterText `json:"type,omitzero"`
}

// WorkQueueFilter selects work queues.
type WorkQueueFilter struct {
	_        struct{}             `check:"closed"`
	Operator Operator             `json:"operator,omitzero" check:"default=and_"`
	ID       *FilterID            `json:"id,omitzero"`
	Name     *WorkQueueFilterName `json:"name,omitzero"`
}

// WorkQueueFilterName selects work queues by name. StartsWith are beginnings, in
// either case, where % and _ are wildcards.
type WorkQueueFilterName struct {
	_          struct{} `check:"closed,nullable"`
	Any        []string `json:"any_,omitzero"`
	StartsWith []string `json:"startswith_,omitzero"`
}

// WorkerFilter selects workers. Their status is the one that the foreman noted.
type WorkerFilter struct {
	_             struct{}            `check:"closed"`
	Operator      Operator            `json:"operator,omitzero" check:"default=and_"`
	LastHeartbeat *FilterTime         `json:"last_heartbeat_time,omitzero"`
	Status        *WorkerFilterStatus `json:"status,omitzero"`
}

// WorkerFilterStatus selects workers by whether they are there.
type WorkerFilterStatus struct {
	_      struct{}       `check:"closed,nullable"`
	Any    []WorkerStatus `json:"any_,omitzero"`
	NotAny []WorkerStatus `json:"not_any_,omitzero"`
}

// WorkerStatus is ONLINE or OFFLINE.
type WorkerStatus string

// EnumValues lists the accepted texts.
func (WorkerStatus) EnumValues() []string { return []string{"ONLINE", "OFFLINE"} }

// UnmarshalText reads the wire name.
func (s *WorkerStatus) UnmarshalText(text []byte) error { return choose(s, text) }

// The columns that filters of work pools, work queues, workers and variables look at.
const (
	workID          Columns = 1 << 1
	workName        Columns = 1 << 4
	workPoolType    Columns = 1 << 6
	workerHeartbeat Columns = 1 << 6
	workerStatus    Columns = 1 << 8
)

// Compile makes the filter ready to match; a nil filter is passed by every pool.
func (f *WorkPoolFilter) Compile() *Matcher[WorkPool] {
	if f == nil {
		return everything[WorkPool]()
	}
	return compile(f.Operator,
		byID(f.ID, workID, func(p *WorkPool) ID { return p.ID }),
		byText(f.Name, workName, func(p *WorkPool) string { return p.Name }),
		byText(f.Type, workPoolType, func(p *WorkPool) string { return p.Type }))
}

// Compile makes the filter ready to match; a nil filter is passed by every queue.
func (f *WorkQueueFilter) Compile() *Matcher[WorkQueue] {
	if f == nil {
		return everything[WorkQueue]()
	}
	return compile(f.Operator,
		byID(f.ID, workID, func(q *WorkQueue) ID { return q.ID }),
		f.Name.clause())
}

func (f *WorkQueueFilterName) clause() []clause[WorkQueue] {
	if f == nil {
		return nil
	}
	return member(And,
		anyOf(f.Any, workName, func(q *WorkQueue) (string, bool) { return q.Name, true }, nil),
		startsWithAny(f.StartsWith))
}

// startsWithAny makes the clause of startswith_; an empty list is no limit.
func startsWithAny(beginnings []string) []clause[WorkQueue] {
	if len(beginnings) == 0 {
		return nil
	}
	patterns := make([]func(string) bool, len(beginnings))
	for i, b := range beginnings {
		patterns[i] = Like(b + "%")
	}
	return []clause[WorkQueue]{where(workName, func(q *WorkQueue) bool {
		return slices.ContainsFunc(patterns, func(like func(string) bool) bool { return like(q.Name) })
	})}
}

// Compile makes the filter ready to match; a nil filter is passed by every worker.
func (f *WorkerFilter) Compile() *Matcher[Worker] {
	if f == nil {
		return everything[Worker]()
	}
	return compile(f.Operator,
		timed(f.LastHeartbeat, workerHeartbeat, func(w *Worker) Time { return w.LastHeartbeat }, nil),
		f.Status.clause())
}

func (f *WorkerFilterStatus) clause() []clause[Worker] {
	if f == nil {
		return nil
	}
	status := func(w *Worker) (WorkerStatus, bool) { return w.Status, true }
	return member(And, anyOf(f.Any, workerStatus, status, nil), noneOf(f.NotAny, workerStatus, status))
}

// byID makes the member of a filter that looks at an id alone.
func byID[T any](f *FilterID, needs Columns, get func(*T) ID) []clause[T] {
	if f == nil {
		return nil
	}
	return member(And, anyOf(f.Any, needs, func(row *T) (ID, bool) { return get(row), true }, planIDs))
}

// byText makes the member of a filter that looks at a text.
func byText[T any](f *FilterText, needs Columns, get func(*T) string) []clause[T] {
	if f == nil {
		return nil
	}
	return member(And, anyOf(f.Any, needs, func(row *T) (string, bool) { return get(row), true }, nil))
}
