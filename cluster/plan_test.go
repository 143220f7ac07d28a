package cluster

import (
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// world is a cluster that does what plans ask for, at once.
type world struct {
	t      require.TestingT
	nodes  []NodeView
	groups []GroupView
}

// newWorld is a cluster of one node that holds everything.
func newWorld(t require.TestingT, runGroups int) *world {
	w := &world{t: t}
	w.join()
	for g := range runGroups + 1 {
		view := GroupView{Group: g, Everywhere: g == 0, Leader: "n1", Voters: []string{"n1"}}
		if g > 0 {
			view.Placed = []string{"n1"}
		}
		w.groups = append(w.groups, view)
	}
	return w
}

func (w *world) join() {
	w.nodes = append(w.nodes, NodeView{Name: fmt.Sprint("n", len(w.nodes)+1), Alive: true})
}

func (w *world) node(name string) *NodeView {
	i := slices.IndexFunc(w.nodes, func(n NodeView) bool { return n.Name == name })
	if i < 0 {
		return nil
	}
	return &w.nodes[i]
}

func (w *world) alive(names []string) (n int) {
	for _, name := range names {
		if node := w.node(name); node != nil && node.Alive {
			n++
		}
	}
	return n
}

// look is what the controller would see: who answers is up to date, and a group has a
// leader if most of its voters answer.
func (w *world) look() {
	for i := range w.groups {
		g := &w.groups[i]
		g.Current = nil
		for _, name := range slices.Concat(g.Voters, g.Learners) {
			if w.alive([]string{name}) > 0 {
				g.Current = append(g.Current, name)
			}
		}
		if w.alive(g.Voters) <= len(g.Voters)/2 {
			g.Leader = ""
		} else if !slices.Contains(g.Voters, g.Leader) || w.alive([]string{g.Leader}) == 0 {
			g.Leader = g.Voters[slices.IndexFunc(g.Voters, func(name string) bool { return w.alive([]string{name}) > 0 })]
		}
	}
}

func without(list []string, name string) []string {
	return slices.DeleteFunc(slices.Clone(list), func(other string) bool { return other == name })
}

func (w *world) do(s Step) {
	g := &w.groups[s.Group]
	led := g.Leader != ""
	switch s.Act {
	case PlaceGroup:
		require.NotEmpty(w.t, s.Nodes)
		require.LessOrEqual(w.t, len(s.Nodes), Replicas)
		g.Placed = s.Nodes
	case AddLearner:
		require.NotContains(w.t, slices.Concat(g.Voters, g.Learners), s.Node)
		g.Learners = append(g.Learners, s.Node)
	case PromoteVoter:
		require.Contains(w.t, g.Learners, s.Node)
		g.Learners, g.Voters = without(g.Learners, s.Node), append(g.Voters, s.Node)
	case DemoteVoter:
		require.Contains(w.t, g.Voters, s.Node)
		g.Voters, g.Learners = without(g.Voters, s.Node), append(g.Learners, s.Node)
	case RemoveServer:
		require.NotEqual(w.t, g.Leader, s.Node)
		g.Voters, g.Learners = without(g.Voters, s.Node), without(g.Learners, s.Node)
	case TransferLead:
		require.Contains(w.t, g.Voters, s.Node)
		require.NotEqual(w.t, g.Leader, s.Node)
		g.Leader = s.Node
	default:
		require.Fail(w.t, "no such step", "%v", s)
	}
	if led {
		require.Greater(w.t, w.alive(g.Voters), len(g.Voters)/2, "%v leaves group %d without a majority", s, s.Group)
	}
}

// settle follows plans until there is nothing to do.
func (w *world) settle() {
	for range 1000 {
		w.look()
		steps := Plan(w.nodes, w.groups)
		if len(steps) == 0 {
			return
		}
		for _, s := range steps {
			w.do(s)
		}
	}
	require.Fail(w.t, "no end", "%v", Plan(w.nodes, w.groups))
}

func TestNodesThatJoinShareGroupsAndLeads(t *testing.T) {
	w := newWorld(t, 5)
	for n := 1; n <= 7; n++ {
		w.settle()
		load, leads := map[string]int{}, map[string]int{}
		for _, g := range w.groups {
			leads[g.Leader]++
			if g.Everywhere {
				require.Len(t, g.Voters, min(n, CoordinationVoters))
				require.Len(t, g.Learners, n-len(g.Voters))
				continue
			}
			require.ElementsMatch(t, g.Placed, g.Voters)
			require.Len(t, g.Voters, min(n, Replicas))
			for _, name := range g.Voters {
				load[name]++
			}
		}
		for _, node := range w.nodes {
			require.InDelta(t, 5*min(n, Replicas)/n, load[node.Name], 1, "%d nodes: %v", n, load)
			require.InDelta(t, 6/n, leads[node.Name], 1, "%d nodes: %v", n, leads)
		}
		w.join()
	}
}

func TestTheDeadAreReplacedIfThereIsWhoCan(t *testing.T) {
	w := newWorld(t, 2)
	w.join()
	w.join()
	w.settle()
	w.node("n2").Alive = false
	w.settle()
	for _, g := range w.groups {
		require.ElementsMatch(t, []string{"n1", "n2", "n3"}, g.Voters, "it may come back")
	}
	w.node("n2").Dead = true
	w.settle()
	for _, g := range w.groups {
		require.ElementsMatch(t, []string{"n1", "n2", "n3"}, g.Voters, "nobody can take its place")
	}
	w.join()
	w.settle()
	for _, g := range w.groups[1:] {
		require.ElementsMatch(t, []string{"n1", "n3", "n4"}, g.Voters)
	}
	require.ElementsMatch(t, []string{"n1", "n2", "n3", "n4"}, w.groups[0].Voters, "it is a member still")
	w.nodes = slices.DeleteFunc(w.nodes, func(n NodeView) bool { return n.Name == "n2" })
	w.settle()
	require.ElementsMatch(t, []string{"n1", "n3", "n4"}, w.groups[0].Voters)
}

func TestANodeThatDrainsHoldsNothing(t *testing.T) {
	w := newWorld(t, 2)
	w.join()
	w.join()
	w.settle()
	w.node("n1").Draining = true
	w.settle()
	for _, g := range w.groups {
		require.NotEqual(t, "n1", g.Leader)
		require.Contains(t, g.Voters, "n3")
		if !g.Everywhere {
			require.ElementsMatch(t, []string{"n2", "n3"}, g.Voters)
		}
	}
	w.node("n1").Draining = false
	w.settle()
	require.Len(t, w.groups[1].Voters, 3)
	w.nodes = w.nodes[1:] // removed, not drained
	w.settle()
	for _, g := range w.groups {
		require.ElementsMatch(t, []string{"n2", "n3"}, g.Voters)
	}
}

// Whatever happens, plans come to an end, and leave no group without a majority that
// had one.
func TestPlansEnd(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(t, rapid.IntRange(1, 8).Draw(t, "groups"))
		for range rapid.IntRange(1, 20).Draw(t, "events") {
			i := rapid.IntRange(0, len(w.nodes)-1).Draw(t, "node")
			n := &w.nodes[i]
			switch rapid.IntRange(0, 5).Draw(t, "event") {
			case 0, 1:
				if len(w.nodes) < 8 {
					w.join()
				}
			case 2:
				n.Alive, n.Dead = false, rapid.Bool().Draw(t, "dead")
			case 3:
				n.Alive, n.Dead = true, false
			case 4:
				n.Draining = !n.Draining
			case 5:
				for range rapid.IntRange(0, 5).Draw(t, "steps") { // something happens before all is done
					w.look()
					for _, s := range Plan(w.nodes, w.groups) {
						w.do(s)
					}
				}
				continue
			}
			w.settle()
		}
	})
}
