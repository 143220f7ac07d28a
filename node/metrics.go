package node

import (
	"runtime"
	"strconv"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"prefectd/cluster"
	"prefectd/ops"
	"prefectd/store"
)

// Metrics gathers what the node counts.
func (n *Node) Metrics() prometheus.Gatherer { return n.metrics }

// newMetrics makes the registry of a node.
func (n *Node) newMetrics() *prometheus.Registry {
	r := prometheus.NewRegistry()
	r.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), n,
		n.services.acted, n.services.failed, n.services.seconds)
	return r
}

var (
	descBuild   = prometheus.NewDesc("prefectd_build_info", "1; what runs here.", []string{"version", "node", "goversion"}, nil)
	descMembers = prometheus.NewDesc("prefectd_members", "Members of the cluster.", nil, nil)
	descPresent = prometheus.NewDesc("prefectd_members_present", "Members that gossip.", nil, nil)
	descReady   = prometheus.NewDesc("prefectd_ready", "1 if this node can serve requests.", nil, nil)
	descLevel   = prometheus.NewDesc("prefectd_level", "The newest formats that are written.", nil, nil)
	descOutbox  = prometheus.NewDesc("prefectd_group_outbox_messages", "Messages for other groups that are yet to be delivered.", []string{"group"}, nil)
	descListen  = prometheus.NewDesc("prefectd_listening", "1 if anybody on this node follows events or logs.", nil, nil)
)

// Describe says nothing beforehand: which groups the node holds changes.
func (n *Node) Describe(chan<- *prometheus.Desc) {}

// Collect gives the metrics of the node and its groups.
func (n *Node) Collect(out chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, value float64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, labels...)
	}
	one := func(is bool) float64 {
		if is {
			return 1
		}
		return 0
	}
	gauge(descBuild, 1, n.config.Version, n.name, runtime.Version())
	gauge(descReady, one(n.leadersKnown()))
	gauge(descListen, one(n.hub.Listening()))
	gauge(descPresent, float64(len(n.gossip.Peers())))
	if layout, err := n.layoutHere(); err == nil && layout.Charter != nil {
		gauge(descMembers, float64(len(layout.Members)))
		gauge(descLevel, float64(layout.Charter.Level))
	}
	n.replicas.each(func(number int, g *cluster.Group) {
		g.Collect(out)
		var waiting int
		err := g.Stale(func(tx *store.Tx) error {
			waiting = store.Outbox.Count(tx, store.Range{})
			return nil
		})
		if err == nil {
			gauge(descOutbox, float64(waiting), strconv.Itoa(number))
		}
	})
}

// leadersKnown reports, without asking anybody, whether every group that is held here
// has a leader.
func (n *Node) leadersKnown() bool {
	known := n.replicas.get(ops.Coordination) != nil
	n.replicas.each(func(_ int, g *cluster.Group) { known = known && g.Leader() != "" })
	return known
}
