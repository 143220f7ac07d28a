package node

import (
	"runtime"
	"strconv"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"prefectd/cluster"
	"prefectd/store"
)

// Metrics are what the node, its groups and the process measure.
func (n *Node) Metrics() prometheus.Gatherer { return n.metrics }

func (n *Node) newMetrics() *prometheus.Registry {
	build := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "prefectd_build_info", Help: "What runs; always 1.",
		ConstLabels: prometheus.Labels{"version": n.config.Version, "goversion": runtime.Version()},
	})
	build.Set(1)
	r := prometheus.NewRegistry()
	r.MustRegister(build, collector{n}, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return r
}

// collector reads the node's metrics when they are asked for.
type collector struct{ node *Node }

// Describe describes nothing: which groups the node holds changes.
func (collector) Describe(chan<- *prometheus.Desc) {}

var (
	peersDesc   = prometheus.NewDesc("prefectd_peers", "Nodes that are heard of, this one among them.", nil, nil)
	membersDesc = prometheus.NewDesc("prefectd_members", "Nodes that are members of the cluster.", nil, nil)
	outboxDesc  = prometheus.NewDesc("prefectd_group_outbox_messages", "Messages for other groups that are yet to be delivered.", []string{"group"}, nil)
)

// Collect reads them.
func (c collector) Collect(ch chan<- prometheus.Metric) {
	gauge := func(desc *prometheus.Desc, value int, labels ...string) {
		ch <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, float64(value), labels...)
	}
	gauge(peersDesc, len(c.node.gossip.Peers()))
	if layout, err := c.node.layoutHere(); err == nil {
		gauge(membersDesc, len(layout.Members))
	}
	c.node.replicas.each(func(number int, g *cluster.Group) {
		g.Collect(ch)
		var waiting int
		err := g.Stale(func(tx *store.Tx) error {
			waiting = store.Outbox.Count(tx, store.Range{})
			return nil
		})
		if err == nil {
			gauge(outboxDesc, waiting, strconv.Itoa(number))
		}
	})
}
