package prefect

// LogFilter selects logs.
type LogFilter struct {
	_         struct{}          `check:"closed"`
	Operator  Operator          `json:"operator,omitzero" check:"default=and_"`
	Level     *LogFilterLevel   `json:"level,omitzero"`
	Timestamp *FilterTime       `json:"timestamp,omitzero"`
	FlowRunID *FilterID         `json:"flow_run_id,omitzero"`
	TaskRunID *LogFilterTaskRun `json:"task_run_id,omitzero"`
	Text      *FilterQuery      `json:"text,omitzero"`
}

// LogFilterLevel selects logs by their level; both ends belong to the range.
type LogFilterLevel struct {
	_  struct{} `check:"closed"`
	GE *int     `json:"ge_,omitzero"`
	LE *int     `json:"le_,omitzero"`
}

// LogFilterTaskRun selects logs by their task run.
type LogFilterTaskRun struct {
	_      struct{} `check:"closed,nullable"`
	Any    []ID     `json:"any_,omitzero"`
	IsNull *bool    `json:"is_null_,omitzero"`
}

// FilterQuery searches a text; see TextQuery.
type FilterQuery struct {
	_     struct{} `check:"closed"`
	Query string   `json:"query" check:"required,maxlen=200"`
}

// The columns of logs that filters look at.
const (
	logName      Columns = 1 << 3
	logLevel     Columns = 1 << 4
	logMessage   Columns = 1 << 5
	logTimestamp Columns = 1 << 6
	logFlowRun   Columns = 1 << 7
	logTaskRun   Columns = 1 << 8
)

// LogIndexColumns are those of a log of which the text is not known.
const LogIndexColumns = logLevel | logTimestamp | logFlowRun | logTaskRun

// Compile makes the filter ready to match; a nil filter is passed by every log.
func (f *LogFilter) Compile() *Matcher[Log] {
	if f == nil {
		return everything[Log]()
	}
	return compile(f.Operator,
		f.byRun(),
		f.TaskRunID.clause(),
		f.Level.clause(),
		timed(f.Timestamp, logTimestamp, func(r *Log) Time { return r.Timestamp }, func(p *Plan) *Span { return &p.At }),
		f.byText())
}

func (f *LogFilter) byRun() []clause[Log] {
	if f.FlowRunID == nil {
		return nil
	}
	return member(And, anyOf(f.FlowRunID.Any, logFlowRun,
		func(r *Log) (ID, bool) { return idOf(r.FlowRunID) }, func(p *Plan) *[]ID { return &p.FlowRunIDs }))
}

func (f *LogFilterTaskRun) clause() []clause[Log] {
	if f == nil {
		return nil
	}
	return idOrNull(&FilterIDOrNull{Any: f.Any, IsNull: f.IsNull}, logTaskRun,
		func(r *Log) ID { return r.TaskRunID }, func(p *Plan) *[]ID { return &p.TaskRunIDs })
}

func (f *LogFilterLevel) clause() []clause[Log] {
	if f == nil {
		return nil
	}
	var members []clause[Log]
	if f.GE != nil {
		least := *f.GE
		members = append(members, where(logLevel, func(r *Log) bool { return r.Level >= least }))
	}
	if f.LE != nil {
		most := *f.LE
		members = append(members, where(logLevel, func(r *Log) bool { return r.Level <= most }))
	}
	return member(And, members)
}

// byText searches message and logger name. A blank query does not count.
func (f *LogFilter) byText() []clause[Log] {
	if f.Text == nil {
		return nil
	}
	q := ParseTextQuery(f.Text.Query)
	if q.IsEmpty() {
		return nil
	}
	return []clause[Log]{where(logMessage|logName, func(r *Log) bool {
		text := newLowered()
		defer text.release()
		text.add(r.Message)
		text.add(r.Name)
		return q.Matches(text.bytes)
	})}
}
