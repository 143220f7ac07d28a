package cluster

import (
	"os"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.etcd.io/bbolt"
)

// counts are what a group counts as it goes.
type counts struct {
	operations, entries, bytes, refused, overloaded, tenures, lost prometheus.Counter
	batch, commit                                                  prometheus.Histogram
}

func newCounts(group int) *counts {
	labels := prometheus.Labels{"group": strconv.Itoa(group)}
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Name: "prefectd_group_" + name, Help: help, ConstLabels: labels})
	}
	histogram := func(name, help string, buckets []float64) prometheus.Histogram {
		return prometheus.NewHistogram(prometheus.HistogramOpts{Name: "prefectd_group_" + name, Help: help, ConstLabels: labels, Buckets: buckets})
	}
	return &counts{
		operations: counter("operations_total", "Operations that this node answered as the group's leader."),
		entries:    counter("entries_total", "Log entries that it wrote."),
		bytes:      counter("entry_bytes_total", "Bytes of those entries."),
		refused:    counter("entries_refused_total", "Entries that met another state than they were evaluated on, and were evaluated again."),
		overloaded: counter("overloaded_total", "Operations that were turned away because too many were waiting."),
		tenures:    counter("tenures_total", "Times that this node became the leader."),
		lost:       counter("tenures_ended_total", "Times that it ceased to be the leader."),
		batch:      histogram("entry_operations", "Operations in an entry.", prometheus.ExponentialBuckets(1, 2, 10)),
		commit:     histogram("commit_seconds", "Time from when an operation is submitted until it is durable and applied here.", prometheus.ExponentialBuckets(0.0005, 2, 14)),
	}
}

// each are all of them.
func (m *counts) each() []prometheus.Collector {
	return []prometheus.Collector{m.operations, m.entries, m.bytes, m.refused, m.overloaded, m.tenures, m.lost, m.batch, m.commit}
}

// held notes a batch whose operations can be answered.
func (m *counts) held(b *batch, answered []*pending) {
	m.operations.Add(float64(len(answered)))
	if b.size == 0 {
		return
	}
	m.entries.Inc()
	m.bytes.Add(float64(b.size))
	m.batch.Observe(float64(len(answered)))
	now := time.Now()
	for _, p := range answered {
		m.commit.Observe(now.Sub(p.since).Seconds())
	}
}

// Gauges that are read when somebody asks.
var (
	groupLabel   = []string{"group"}
	descLeads    = groupDesc("leads", "1 if this node leads the group.")
	descTerm     = groupDesc("term", "Raft's term.")
	descCommit   = groupDesc("commit_index", "The last log entry that is known to be committed.")
	descApplied  = groupDesc("applied_index", "The last log entry that this replica applied.")
	descContact  = groupDesc("last_contact_seconds", "Time since this replica heard of its leader; 0 on the leader, -1 if never.")
	descVoters   = groupDesc("voters", "Members that vote, by what this replica knows.")
	descLast     = groupDesc("log_last_index", "The last log entry.")
	descLogSize  = groupDesc("log_bytes", "Bytes of log that are kept.")
	descLogCount = groupDesc("log_entries", "Log entries that are kept.")
	descFile     = groupDesc("state_file_bytes", "Size of the state file.")
	descFree     = groupDesc("state_file_free_bytes", "Of it, what is free for later.")
	descLayer    = groupDesc("unflushed_bytes", "What was applied and is not in the state file yet.")
	descQueue    = groupDesc("queued_operations", "Operations that wait for the writer.")
)

func groupDesc(name, help string) *prometheus.Desc {
	return prometheus.NewDesc("prefectd_group_"+name, help, groupLabel, nil)
}

// Describe says nothing beforehand: which groups a node holds changes.
func (g *Group) Describe(chan<- *prometheus.Desc) {}

// Collect gives the group's metrics.
func (g *Group) Collect(out chan<- prometheus.Metric) {
	for _, c := range g.counts.each() {
		c.Collect(out)
	}
	number := strconv.Itoa(g.config.Number)
	gauge := func(d *prometheus.Desc, value float64) {
		out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, number)
	}
	s := g.Status()
	leads, queued := 0.0, 0
	if w, _ := g.leading(); w != nil {
		leads, queued = 1, len(w.queue)
	}
	gauge(descLeads, leads)
	gauge(descTerm, float64(s.Term))
	gauge(descCommit, float64(s.Commit))
	gauge(descApplied, float64(s.Applied))
	contact := s.LastContact.Seconds()
	if s.LastContact < 0 {
		contact = -1
	}
	gauge(descContact, contact)
	gauge(descVoters, float64(len(s.Voters)))
	gauge(descLast, float64(s.LogLast))
	gauge(descLogSize, float64(s.LogBytes))
	kept := 0.0
	if s.LogLast > 0 {
		kept = float64(s.LogLast - s.LogFirst + 1)
	}
	gauge(descLogCount, kept)
	gauge(descFile, float64(s.FileBytes))
	gauge(descFree, float64(s.FileFree))
	gauge(descLayer, float64(g.db.Unflushed()))
	gauge(descQueue, float64(queued))
	collectFile(out, number, "state", s.FileBytes, g.db.Stats())
	size := int64(0)
	if info, err := os.Stat(g.log.path); err == nil {
		size = info.Size()
	}
	collectFile(out, number, "log", size, g.log.Stats())
}

// What bbolt tells of a file. What it counts begins anew when the file is opened anew.
var (
	descPages     = fileDesc("pages", "Pages of the file.")
	descFreePages = fileDesc("free_pages", "Of them, those that are free.")
	descPending   = fileDesc("pending_pages", "Of them, those that are free when the views that are open have ended.")
	descOpen      = fileDesc("open_views", "Views of the file that are open.")
	descViews     = fileDesc("views_total", "Views of the file that were opened.")
	descAllocated = fileDesc("allocated_pages_total", "Pages that were given out to be written.")
	descWrites    = fileDesc("writes_total", "Writes to the file.")
	descWriting   = fileDesc("write_seconds_total", "Time that writing to the file took.")
)

func fileDesc(name, help string) *prometheus.Desc {
	return prometheus.NewDesc("prefectd_group_file_"+name, help, []string{"group", "file"}, nil)
}

func collectFile(out chan<- prometheus.Metric, group, file string, size int64, s bbolt.Stats) {
	tell := func(kind prometheus.ValueType, d *prometheus.Desc, value float64) {
		out <- prometheus.MustNewConstMetric(d, kind, value, group, file)
	}
	tell(prometheus.GaugeValue, descPages, float64(size/int64(os.Getpagesize())))
	tell(prometheus.GaugeValue, descFreePages, float64(s.FreePageN))
	tell(prometheus.GaugeValue, descPending, float64(s.PendingPageN))
	tell(prometheus.GaugeValue, descOpen, float64(s.OpenTxN))
	tell(prometheus.CounterValue, descViews, float64(s.TxN))
	tell(prometheus.CounterValue, descAllocated, float64(s.TxStats.GetPageCount()))
	tell(prometheus.CounterValue, descWrites, float64(s.TxStats.GetWrite()))
	tell(prometheus.CounterValue, descWriting, s.TxStats.GetWriteTime().Seconds())
}
