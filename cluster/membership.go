package cluster

import (
	"fmt"
	"slices"
	"time"

	"github.com/hashicorp/raft"
)

// changeTime is how long a change of a group's configuration may take.
const changeTime = 10 * time.Second

// Change does a step of a plan, on the group's leader.
func (g *Group) Change(s Step) error {
	id, address := raft.ServerID(s.Node), raft.ServerAddress(s.Node)
	err := g.await(func() raft.Future {
		switch s.Act {
		case AddLearner:
			return g.raft.AddNonvoter(id, address, 0, changeTime)
		case PromoteVoter:
			return g.raft.AddVoter(id, address, 0, changeTime)
		case DemoteVoter:
			return g.raft.DemoteVoter(id, 0, changeTime)
		case RemoveServer:
			return g.raft.RemoveServer(id, 0, changeTime)
		default:
			return g.raft.LeadershipTransferToServer(id, address)
		}
	})
	if err != nil {
		return fmt.Errorf("group %d: %v %s: %w", g.config.Number, s.Act, s.Node, outcome(err))
	}
	return nil
}

// Leader is the member that leads the group as far as this replica knows; empty if
// it knows none.
func (g *Group) Leader() string {
	_, leader := g.raft.LeaderWithID()
	return string(leader)
}

// Leads reports whether this node leads the group and takes operations.
func (g *Group) Leads() bool {
	w, _ := g.leading()
	return w != nil
}

// Alone reports whether this node is the group's only member, so that nobody else can
// lead it.
func (g *Group) Alone() bool {
	servers := g.raft.GetConfiguration().Configuration().Servers
	return len(servers) == 1 && servers[0].ID == raft.ServerID(g.config.Node)
}

// Others are the other members that hold the group.
func (g *Group) Others() []string {
	voters, learners := g.configuration()
	return slices.DeleteFunc(append(voters, learners...), func(name string) bool { return name == g.config.Node })
}

// configuration lists the voters and the others of the group's newest configuration.
func (g *Group) configuration() (voters, learners []string) {
	for _, s := range g.raft.GetConfiguration().Configuration().Servers {
		if s.Suffrage == raft.Voter {
			voters = append(voters, string(s.ID))
		} else {
			learners = append(learners, string(s.ID))
		}
	}
	slices.Sort(voters)
	slices.Sort(learners)
	return voters, learners
}
