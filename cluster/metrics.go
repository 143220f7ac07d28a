package cluster

import (
	"maps"
	"os"
	"strconv"
	"time"

	"github.com/hashicorp/raft"
	"github.com/prometheus/client_golang/prometheus"
	"go.etcd.io/bbolt"
)

// measures are what a group counts while it works. What can be read when it is
// asked for is not counted.
type measures struct {
	operations prometheus.Counter
	entries    prometheus.Counter
	bytes      prometheus.Counter
	refused    prometheus.Counter
	overloaded prometheus.Counter
	gained     prometheus.Counter
	lost       prometheus.Counter
	batch      prometheus.Histogram
	commit     prometheus.Histogram
}

// commitBuckets are seconds.
var commitBuckets = []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10}

func newMeasures(group int) *measures {
	labels := groupLabels(group)
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Name: groupPrefix + name, Help: help, ConstLabels: labels})
	}
	histogram := func(name, help string, buckets []float64) prometheus.Histogram {
		return prometheus.NewHistogram(prometheus.HistogramOpts{Name: groupPrefix + name, Help: help, ConstLabels: labels, Buckets: buckets})
	}
	return &measures{
		operations: counter("operations_total", "Operations that this node answered as the group's leader."),
		entries:    counter("entries_total", "Log entries that this node wrote as the group's leader."),
		bytes:      counter("entry_bytes_total", "Bytes of those entries."),
		refused:    counter("refused_batches_total", "Batches that were evaluated anew because another entry came between."),
		overloaded: counter("overloaded_total", "Operations that were turned away because too many were waiting."),
		gained:     counter("leadership_gained_total", "Times that this node began to lead the group."),
		lost:       counter("leadership_lost_total", "Times that it ceased to."),
		batch:      histogram("batch_operations", "Operations in a log entry.", prometheus.ExponentialBuckets(1, 2, 10)),
		commit:     histogram("commit_duration_seconds", "Time from when an operation is submitted until it is durable.", commitBuckets),
	}
}

const groupPrefix = "prefectd_group_"

func groupLabels(group int) prometheus.Labels { return prometheus.Labels{"group": strconv.Itoa(group)} }

// written counts what a batch that held came to.
func (m *measures) written(b *batch, answered []*pending) {
	m.operations.Add(float64(len(answered)))
	if len(b.Entry.Changes) == 0 {
		return
	}
	m.entries.Inc()
	m.batch.Observe(float64(len(answered)))
	now := time.Now()
	for _, p := range answered {
		m.commit.Observe(now.Sub(p.since).Seconds())
	}
}

// Collect gives the group's metrics, each with the label group.
func (g *Group) Collect(ch chan<- prometheus.Metric) {
	m := g.measures
	for _, c := range []prometheus.Collector{m.operations, m.entries, m.bytes, m.refused, m.overloaded, m.gained, m.lost, m.batch, m.commit} {
		c.Collect(ch)
	}
	s := sampler{ch, groupLabels(g.config.Number)}
	g.sampleRaft(s)
	g.sampleFiles(s)
}

func (g *Group) sampleRaft(s sampler) {
	now := g.Status()
	s.gauge("leader", "Whether this node leads the group.", truth(now.Role == roleNames[raft.Leader]))
	s.gauge("has_leader", "Whether this node knows who leads the group.", truth(now.Leader != ""))
	if now.LastContact >= 0 {
		s.gauge("leader_contact_seconds", "Time since the leader was heard of.", now.LastContact.Seconds())
	}
	s.gauge("term", "Raft's term.", float64(now.Term))
	s.gauge("commit_index", "The last log entry that is known to be committed.", float64(now.Commit))
	s.gauge("applied_index", "The last log entry that the state has.", float64(now.Applied))
	s.gauge("voters", "Members that vote.", float64(len(now.Voters)))
	s.gauge("log_last_index", "The last log entry.", float64(now.LogLast))
	entries := uint64(0)
	if now.LogLast > 0 {
		entries = now.LogLast - now.LogFirst + 1
	}
	s.gauge("log_entries", "Log entries that are kept.", float64(entries))
	s.gauge("log_bytes", "Bytes of the log entries that are kept.", float64(now.LogBytes))
	waiting := 0
	if w, _ := g.leading(); w != nil {
		waiting = len(w.queue)
	}
	s.gauge("queue_operations", "Operations that wait for the writer.", float64(waiting))
}

func (g *Group) sampleFiles(s sampler) {
	state := g.db.Measures()
	s.gauge("unflushed_bytes", "Rows and index entries that were applied and are not in the state file yet.", float64(state.Unflushed))
	s.file("state", g.db.Path(), state.File)
	s.file("log", g.log.path, g.log.Stats())
}

func truth(is bool) float64 {
	if is {
		return 1
	}
	return 0
}

// sampler makes metrics of values that were read.
type sampler struct {
	ch     chan<- prometheus.Metric
	labels prometheus.Labels
}

func (s sampler) gauge(name, help string, value float64) {
	s.sample(prometheus.GaugeValue, name, help, value)
}

func (s sampler) counter(name, help string, value float64) {
	s.sample(prometheus.CounterValue, name, help, value)
}

func (s sampler) sample(kind prometheus.ValueType, name, help string, value float64) {
	s.ch <- prometheus.MustNewConstMetric(prometheus.NewDesc(groupPrefix+name, help, nil, s.labels), kind, value)
}

// file samples one of the group's files. What it counts begins anew when the file is
// opened anew.
func (s sampler) file(name, path string, stats bbolt.Stats) {
	s.labels = maps.Clone(s.labels)
	s.labels["file"] = name
	page := float64(os.Getpagesize())
	if info, err := os.Stat(path); err == nil {
		s.gauge("file_bytes", "Size of the file.", float64(info.Size()))
	}
	s.gauge("file_free_bytes", "Bytes of the file that are free.", float64(stats.FreePageN)*page)
	s.gauge("file_pending_bytes", "Bytes of the file that are free when the views that are open have ended.", float64(stats.PendingPageN)*page)
	s.gauge("file_open_views", "Views of the file that are open.", float64(stats.OpenTxN))
	s.counter("file_views_total", "Views of the file that were opened.", float64(stats.TxN))
	s.counter("file_pages_allocated_total", "Pages that were given out to be written.", float64(stats.TxStats.GetPageCount()))
	s.counter("file_writes_total", "Writes to the file.", float64(stats.TxStats.GetWrite()))
	s.counter("file_write_seconds_total", "Time that writing to the file took.", stats.TxStats.GetWriteTime().Seconds())
}
