package cluster

import (
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// counts are what a group counts as it goes.
type counts struct {
	operations, entries, bytes, refused, tenures prometheus.Counter
	batch, commit                                prometheus.Histogram
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
		operations: counter("operations_total", "Operations that this node evaluated as the group's leader."),
		entries:    counter("entries_total", "Log entries that it proposed."),
		bytes:      counter("entry_bytes_total", "Bytes of those entries."),
		refused:    counter("entries_refused_total", "Entries that met another state than they were evaluated on, and were evaluated again."),
		tenures:    counter("tenures_total", "Times that this node became the leader."),
		batch:      histogram("entry_operations", "Operations in an entry.", prometheus.ExponentialBuckets(1, 2, 10)),
		commit:     histogram("commit_seconds", "Time from proposing an entry until it is durable and applied here.", prometheus.ExponentialBuckets(0.0005, 2, 14)),
	}
}

// each are all of them.
func (m *counts) each() []prometheus.Collector {
	return []prometheus.Collector{m.operations, m.entries, m.bytes, m.refused, m.tenures, m.batch, m.commit}
}

// proposed notes an entry that became durable.
func (m *counts) proposed(b *batch, size int, began time.Time) {
	m.operations.Add(float64(b.taken))
	m.entries.Inc()
	m.bytes.Add(float64(size))
	m.batch.Observe(float64(b.taken))
	m.commit.Observe(time.Since(began).Seconds())
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
}
