package node

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"prefectd/cluster"
	"prefectd/ops"
)

// What a node tells operators.
type (
	Status       = ops.Status
	MemberStatus = ops.MemberStatus
	ClusterGroup = ops.ClusterGroup
)

func kindOf(group int) string {
	if group == ops.Coordination {
		return "coordination"
	}
	return "runs"
}

// report is what this node tells the others.
func (n *Node) report() *ops.Report {
	r := &ops.Report{Node: n.name, Version: n.config.Version, Level: n.level(), API: n.self().API}
	n.replicas.each(func(number int, g *cluster.Group) {
		s := g.Status()
		r.Groups = append(r.Groups, ops.GroupStatus{
			Group: number, Kind: kindOf(number), Role: s.Role, Leader: s.Leader, Term: s.Term, Commit: s.Commit, Applied: s.Applied,
			LastContact: s.LastContact.Seconds(), Voters: s.Voters, Learners: s.Learners,
			Kept:     s.Role == "leader" && n.kept.has(number),
			LogFirst: s.LogFirst, LogLast: s.LogLast, LogBytes: s.LogBytes, FileBytes: s.FileBytes, FileFree: s.FileFree,
		})
	})
	return r
}

// Status tells what the node is and does, and whether the cluster is well.
func (n *Node) Status(ctx context.Context) Status {
	s := Status{
		Version: n.config.Version, Node: n.name, ClusterID: n.folder.ClusterID, DataDir: n.folder.path,
		Ready: true, Problems: []string{}, Groups: n.report().Groups,
	}
	if err := n.Ready(ctx); err != nil {
		s.Ready, s.Reason = false, err.Error()
	}
	layout, err := n.layoutHere()
	if err != nil || layout.Charter == nil {
		s.Problems = append(s.Problems, "the cluster's layout is not known here")
		return s
	}
	s.Level = layout.Charter.Level
	reports := n.reports(ctx, layout)
	for _, m := range layout.Members {
		if reports[m.Name] == nil {
			s.Problems = append(s.Problems, fmt.Sprintf("node %s does not answer", m.Name))
		}
	}
	for _, group := range n.layout.All() {
		s.Problems = append(s.Problems, clusterGroup(group, layout, reports).Problems...)
	}
	s.Healthy = len(s.Problems) == 0
	return s
}

// Members tells what the cluster knows of its members.
func (n *Node) Members(ctx context.Context) ([]ops.MemberStatus, error) {
	layout, err := n.layoutHere()
	if err != nil {
		return nil, err
	}
	reports := n.reports(ctx, layout)
	list := []ops.MemberStatus{}
	for _, m := range layout.Members {
		s := ops.MemberStatus{
			Name: m.Name, Draining: m.Draining, Cluster: m.Cluster, Gossip: m.Gossip, API: m.API,
			Version: m.Version, Level: m.Level, Joined: m.Joined.Go(), Holds: []int{}, Leads: []int{},
		}
		if r := reports[m.Name]; r != nil {
			s.Alive = true
			for _, g := range r.Groups {
				s.Holds = append(s.Holds, g.Group)
				s.Bytes += g.FileBytes + g.LogBytes
				if g.Role == "leader" {
					s.Leads = append(s.Leads, g.Group)
				}
			}
		}
		list = append(list, s)
	}
	return list, nil
}

// ClusterGroups tells what the cluster knows of its groups.
func (n *Node) ClusterGroups(ctx context.Context) ([]ops.ClusterGroup, error) {
	layout, err := n.layoutHere()
	if err != nil {
		return nil, err
	}
	reports := n.reports(ctx, layout)
	list := []ops.ClusterGroup{}
	for _, group := range n.layout.All() {
		list = append(list, clusterGroup(group, layout, reports))
	}
	return list, nil
}

// far is how many entries a replica may be behind before that is a problem.
const far = 10_000

func clusterGroup(group int, layout *ops.Layout, reports map[string]*ops.Report) ops.ClusterGroup {
	v := groupView(group, layout, reports)
	g := ops.ClusterGroup{
		Group: group, Kind: kindOf(group), Leader: v.Leader, Placed: orNone(v.Placed), Voters: orNone(v.Voters), Learners: orNone(v.Learners),
		Replicas: []ops.ReplicaStatus{}, Problems: []string{},
	}
	applied := uint64(0)
	problem := func(format string, args ...any) { g.Problems = append(g.Problems, fmt.Sprintf(format, args...)) }
	if v.Everywhere {
		g.Placed = []string{}
		for _, m := range layout.Members {
			g.Placed = append(g.Placed, m.Name)
		}
	}
	if v.Leader == "" {
		problem("group %d has no leader: it takes no writes", group)
	} else {
		leading := reports[v.Leader].Group(group)
		g.Term, g.Commit, applied = leading.Term, leading.Commit, leading.Applied
	}
	for name, r := range reports {
		if s := r.Group(group); s != nil {
			rs := ops.ReplicaStatus{Node: name, GroupStatus: *s}
			if applied > s.Applied { // Raft's own entries change nothing, so they don't count
				rs.Lag = applied - s.Applied
			}
			if rs.Lag > far {
				problem("the replica of group %d on %s is %d entries behind", group, name, rs.Lag)
			}
			g.Replicas = append(g.Replicas, rs)
		}
	}
	slices.SortFunc(g.Replicas, func(a, b ops.ReplicaStatus) int { return cmp.Compare(a.Node, b.Node) })
	answering := 0
	for _, name := range v.Voters {
		if r := reports[name]; r != nil && r.Group(group) != nil {
			answering++
		}
	}
	if v.Leader != "" && answering < len(v.Voters) {
		problem("group %d has %d of %d voters: %d more may fail", group, answering, len(v.Voters), max(0, answering-len(v.Voters)/2-1))
	}
	g.Healthy = len(g.Problems) == 0
	return g
}

func orNone(list []string) []string {
	if list == nil {
		return []string{}
	}
	return list
}

// self is what this node is for the others.
func (n *Node) self() cluster.Peer { return n.peer }

// level is the newest formats that this node knows.
func (n *Node) level() int {
	if n.config.MaxLevel > 0 {
		return min(n.config.MaxLevel, cluster.Level)
	}
	return cluster.Level
}
