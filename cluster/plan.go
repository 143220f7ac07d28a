package cluster

import (
	"cmp"
	"slices"
)

// Replicas is how many members hold a run group, and may vote in it; one can fail.
const Replicas = 3

// CoordinationVoters is how many members may vote in the coordination group, which
// every member holds: with more, writes would get slower and no safer.
const CoordinationVoters = 5

// NodeView is what a plan knows of a member.
type NodeView struct {
	Name     string
	Alive    bool // it answered a moment ago
	Dead     bool // it has not answered for so long that it is replaced
	Draining bool
}

// GroupView is what a plan knows of a group.
type GroupView struct {
	Group      int
	Everywhere bool     // every member is to hold it: the coordination group
	Placed     []string // else the members that are to hold it
	Leader     string   // empty if none is known
	Voters     []string // by the leader's configuration
	Learners   []string
	Current    []string // those that have all but the newest entries
	Kept       bool     // an operator chose the leader: it is not replaced to spread leaders
}

// Act is one change that a plan asks for.
type Act byte

// What a plan can ask for: of the coordination group where a group is to be held, of
// a group's leader all else.
const (
	PlaceGroup   Act = iota + 1 // Nodes are to hold the group
	AddLearner                  // Node is to get the group's entries
	PromoteVoter                // Node is to vote
	DemoteVoter                 // Node is not to vote any more
	RemoveServer                // Node is to be forgotten by the group
	TransferLead                // Node is to lead
)

var actNames = [...]string{"", "place", "add", "promote", "demote", "remove", "transfer"}

// String names the act, for logs.
func (a Act) String() string { return actNames[a] }

// Step is a change of one group.
type Step struct {
	Act   Act
	Group int
	Node  string
	Nodes []string // of PlaceGroup
}

// Plan says what to do next so that every group is held and led where it should be:
// at most one step for a group, and of those that only spread the load one in all,
// when nothing else is to be done. It is asked again when they are done, and takes
// no step that leaves a group with less than a majority of members that answer.
func Plan(nodes []NodeView, groups []GroupView) []Step {
	p := &plan{nodes: map[string]*NodeView{}, load: map[string]int{}, leads: map[string]int{}}
	for i := range nodes {
		p.nodes[nodes[i].Name] = &nodes[i]
		p.names = append(p.names, nodes[i].Name)
	}
	slices.Sort(p.names)
	for i := range groups {
		for _, name := range groups[i].Placed {
			p.load[name]++
		}
		p.leads[groups[i].Leader]++
	}
	var steps []Step
	for i := range groups {
		if s := p.repair(&groups[i]); s.Act != 0 {
			s.Group = groups[i].Group
			steps = append(steps, s)
			if s.Act == PlaceGroup { // the next one is placed with this in mind
				p.replaced(groups[i].Placed, s.Nodes)
			}
		}
	}
	if len(steps) > 0 {
		return steps
	}
	if s := p.spread(groups); s.Act != 0 {
		return []Step{s}
	}
	return nil
}

type plan struct {
	nodes map[string]*NodeView
	names []string       // of all nodes, sorted
	load  map[string]int // groups that a node is to hold
	leads map[string]int // groups that a node leads
}

func (p *plan) replaced(before, after []string) {
	for _, name := range before {
		p.load[name]--
	}
	for _, name := range after {
		p.load[name]++
	}
}

func (p *plan) alive(name string) bool { return p.nodes[name] != nil && p.nodes[name].Alive }

// usable reports whether a node can be given something.
func (p *plan) usable(name string) bool { return p.alive(name) && !p.nodes[name].Draining }

// keeps reports whether a node that holds something may go on doing so: also one
// that has been silent only for a short time.
func (p *plan) keeps(name string) bool {
	n := p.nodes[name]
	return n != nil && !n.Dead && !n.Draining
}

// repair is the next step towards a group's being held by whom it should be.
func (p *plan) repair(g *GroupView) Step {
	if g.Leader == "" {
		return Step{} // nobody could take it
	}
	placed := g.Placed
	if g.Everywhere {
		placed = p.names
	} else if next := p.place(g); next != nil {
		return Step{Act: PlaceGroup, Nodes: next}
	}
	voting := placed
	if g.Everywhere {
		voting = p.coordinators(g)
	}
	if s := p.enlarge(g, placed, voting); s.Act != 0 {
		return s
	}
	return p.shrink(g, placed, voting)
}

// place is by whom a run group is to be held, nil if by those who do.
func (p *plan) place(g *GroupView) []string {
	var keep, leave []string
	for _, name := range g.Placed {
		if p.keeps(name) {
			keep = append(keep, name)
		} else {
			leave = append(leave, name)
		}
	}
	if len(keep) > Replicas {
		worst := slices.MaxFunc(keep, p.byLoad)
		return slices.DeleteFunc(keep, func(name string) bool { return name == worst })
	}
	if len(keep) < Replicas {
		if spare := p.spare(g.Placed); spare != "" {
			return p.trimmed(append(keep, spare), leave)
		}
	}
	// With nobody to take its place, one that is down stays: it may come back. One
	// that drains, or is gone for good, does not.
	stay := slices.DeleteFunc(slices.Clone(leave), func(name string) bool {
		return p.nodes[name] == nil || p.nodes[name].Draining
	})
	if len(keep) == 0 || len(stay) == len(leave) {
		return nil
	}
	return append(keep, stay...)
}

// trimmed adds to those who hold a group as many of those who should not, so that
// none is dropped before it is replaced.
func (p *plan) trimmed(keep, leave []string) []string {
	for _, name := range leave {
		if len(keep) < Replicas && p.nodes[name] != nil {
			keep = append(keep, name)
		}
	}
	return keep
}

func (p *plan) byLoad(a, b string) int {
	return cmp.Or(cmp.Compare(p.load[a], p.load[b]), cmp.Compare(p.leads[a], p.leads[b]), cmp.Compare(a, b))
}

// spare is the node with the least load that can take a group; empty if there is none.
func (p *plan) spare(not []string) (best string) {
	for _, name := range p.names {
		if p.usable(name) && !slices.Contains(not, name) && (best == "" || p.byLoad(name, best) < 0) {
			best = name
		}
	}
	return best
}

// coordinators are those who should vote in the coordination group: those who do,
// as far as they can be relied on, and others up to the number wanted.
func (p *plan) coordinators(g *GroupView) (voting []string) {
	for _, fits := range []func(string) bool{
		func(name string) bool { return p.keeps(name) && slices.Contains(g.Voters, name) },
		p.usable,
		func(name string) bool { return p.nodes[name] != nil && slices.Contains(g.Voters, name) },
	} {
		for _, name := range p.names {
			if len(voting) < CoordinationVoters && fits(name) && !slices.Contains(voting, name) {
				voting = append(voting, name)
			}
		}
	}
	return voting
}

// enlarge brings those who should hold a group into its configuration.
func (p *plan) enlarge(g *GroupView, placed, voting []string) Step {
	for _, name := range placed {
		if p.alive(name) && !slices.Contains(g.Voters, name) && !slices.Contains(g.Learners, name) {
			return Step{Act: AddLearner, Node: name}
		}
	}
	for _, name := range g.Learners {
		if p.alive(name) && slices.Contains(voting, name) && slices.Contains(g.Current, name) {
			return Step{Act: PromoteVoter, Node: name}
		}
	}
	return Step{}
}

// shrink takes those who should not hold a group out of its configuration.
func (p *plan) shrink(g *GroupView, placed, voting []string) Step {
	for _, name := range g.Learners {
		if !slices.Contains(placed, name) {
			return Step{Act: RemoveServer, Node: name}
		}
	}
	for _, name := range g.Voters {
		if slices.Contains(voting, name) {
			continue
		}
		var rest []string
		for _, other := range g.Voters {
			if other != name {
				rest = append(rest, other)
			}
		}
		if !p.complete(g, voting) && p.nodes[name] != nil || !p.majority(g, rest) {
			continue
		}
		switch {
		case name == g.Leader:
			if heir := p.heir(g, rest); heir != "" {
				return Step{Act: TransferLead, Node: heir}
			}
		case slices.Contains(placed, name):
			return Step{Act: DemoteVoter, Node: name}
		default:
			return Step{Act: RemoveServer, Node: name}
		}
	}
	return Step{}
}

// complete reports whether all who should vote and answer do vote.
func (p *plan) complete(g *GroupView, voting []string) bool {
	for _, name := range voting {
		if p.alive(name) && !slices.Contains(g.Voters, name) {
			return false
		}
	}
	return true
}

// majority reports whether some voters could go on by themselves.
func (p *plan) majority(g *GroupView, voters []string) bool {
	n := 0
	for _, name := range voters {
		if p.alive(name) && slices.Contains(g.Current, name) {
			n++
		}
	}
	return n > len(voters)/2
}

// heir is who should lead next: of those who can the one that leads least.
func (p *plan) heir(g *GroupView, voters []string) (best string) {
	for _, name := range voters {
		if !p.usable(name) || !slices.Contains(g.Current, name) || name == g.Leader {
			continue
		}
		if best == "" || cmp.Or(cmp.Compare(p.leads[name], p.leads[best]), cmp.Compare(name, best)) < 0 {
			best = name
		}
	}
	return best
}

// spread is a step that evens out who leads, or what the nodes hold.
func (p *plan) spread(groups []GroupView) Step {
	for i := range groups {
		g := &groups[i]
		if g.Leader == "" {
			return Step{} // first it gets one
		}
		heir := p.heir(g, g.Voters)
		if heir != "" && (!p.keeps(g.Leader) || !g.Kept && p.leads[g.Leader]-p.leads[heir] > 1) {
			return Step{Act: TransferLead, Group: g.Group, Node: heir}
		}
	}
	if !settled(groups) {
		return Step{} // one move after the other
	}
	for i := range groups {
		g := &groups[i]
		spare := p.spare(g.Placed)
		if g.Everywhere || len(g.Placed) == 0 || spare == "" {
			continue
		}
		most := slices.MaxFunc(g.Placed, p.byLoad)
		if p.load[most]-p.load[spare] > 1 {
			next := append(slices.Clone(g.Placed), spare)
			return Step{Act: PlaceGroup, Group: g.Group, Nodes: slices.DeleteFunc(next, func(name string) bool { return name == most })}
		}
	}
	return Step{}
}

// settled reports whether every run group is held by those who should hold it.
func settled(groups []GroupView) bool {
	for i := range groups {
		g := &groups[i]
		if !g.Everywhere && (len(g.Learners) > 0 || len(g.Voters) != len(g.Placed)) {
			return false
		}
	}
	return true
}
