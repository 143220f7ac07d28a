package node

import (
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// voter is a node of a modelled election: its vote outlives a crash, the rest does not.
type voter struct {
	self    founder
	vote    vote
	ballot  ballot // of its attempt; none if zero
	voting  founder
	replies map[string]vote // to what it asked last, by who answered
	member  bool            // it founded: it takes part in nothing any more
}

// message is on its way for as long as it is not lost, and may come several times.
type message struct {
	from, to string
	ballot   ballot
	founder  founder // nobody: it is to be prepared
	reply    *vote
}

type electionModel struct {
	quorum   int
	names    []string
	voters   map[string]*voter
	messages []message
	founded  []founder
	wiped    int
}

func newElectionModel(t *rapid.T) *electionModel {
	m := &electionModel{voters: map[string]*voter{}}
	n := rapid.SampledFrom([]int{3, 2, 4, 5, 1}).Draw(t, "nodes")
	m.quorum = rapid.IntRange(n/2+1, n).Draw(t, "quorum")
	for i := range n {
		name := string(rune('a' + i))
		m.names = append(m.names, name)
		m.voters[name] = &voter{self: founder{name, name}}
	}
	return m
}

func (m *electionModel) any(t *rapid.T) *voter {
	return m.voters[rapid.SampledFrom(m.names).Draw(t, "node")]
}

// attempt has a node begin, with what it heard of some of the others.
func (m *electionModel) attempt(t *rapid.T) {
	v := m.any(t)
	if v.member {
		return
	}
	known := []vote{v.vote}
	for _, name := range m.names {
		if other := m.voters[name]; !other.member && rapid.Bool().Draw(t, "seen") {
			known = append(known, other.vote)
		}
	}
	v.ballot, v.voting, v.replies = nextBallot(v.self.Instance, known), founder{}, map[string]vote{}
	v.vote = v.vote.prepare(v.ballot)
	m.ask(v)
}

func (m *electionModel) ask(v *voter) {
	for _, name := range m.names {
		m.messages = append(m.messages, message{from: v.self.Name, to: name, ballot: v.ballot, founder: v.voting})
	}
}

func (m *electionModel) deliver(t *rapid.T) {
	if len(m.messages) == 0 {
		return
	}
	i := rapid.IntRange(0, len(m.messages)-1).Draw(t, "message")
	message := m.messages[i]
	if rapid.Uint8().Draw(t, "again")%8 != 1 {
		m.messages = slices.Delete(m.messages, i, i+1)
	}
	to := m.voters[message.to]
	switch {
	case message.reply != nil:
		m.hear(to, message)
	case to.member:
	default:
		if message.founder == (founder{}) {
			to.vote = to.vote.prepare(message.ballot)
		} else {
			to.vote = to.vote.accept(message.ballot, message.founder)
		}
		reply := to.vote
		m.messages = append(m.messages, message.answer(&reply))
	}
}

func (msg message) answer(v *vote) message {
	return message{from: msg.to, to: msg.from, ballot: msg.ballot, founder: msg.founder, reply: v}
}

// hear has a node take an answer to what it asked last.
func (m *electionModel) hear(v *voter, answer message) {
	if v.member || answer.ballot != v.ballot || answer.founder != v.voting {
		return
	}
	v.replies[answer.from] = *answer.reply
	var votes []vote
	for _, name := range m.names {
		if reply, ok := v.replies[name]; ok {
			votes = append(votes, reply)
		}
	}
	if v.voting == (founder{}) {
		if f, ok := candidate(v.ballot, v.self, votes, m.quorum); ok {
			v.voting, v.replies = f, map[string]vote{}
			m.ask(v)
		}
		return
	}
	if f, ok := elected(votes, m.quorum); ok && f == v.self {
		m.found(v)
	}
}

// look has a node find out by the others' votes that it is elected.
func (m *electionModel) look(t *rapid.T) {
	v := m.any(t)
	if v.member {
		return
	}
	var votes []vote
	for _, name := range m.names {
		if other := m.voters[name]; !other.member {
			votes = append(votes, other.vote)
		}
	}
	if f, ok := elected(votes, m.quorum); ok && f == v.self {
		m.found(v)
	}
}

func (m *electionModel) found(v *voter) {
	v.member = true
	m.founded = append(m.founded, v.self)
}

func (m *electionModel) crash(t *rapid.T) {
	v := m.any(t)
	v.ballot, v.voting, v.replies = ballot{}, founder{}, nil
}

func (m *electionModel) lose(t *rapid.T) {
	if len(m.messages) == 0 {
		return
	}
	m.messages = m.messages[:rapid.IntRange(0, len(m.messages)-1).Draw(t, "kept")]
}

// wipe empties the disk of a node; one that founded is left alone, because then its
// cluster is gone.
func (m *electionModel) wipe(t *rapid.T) {
	v := m.any(t)
	if v.member || m.quorum < len(m.names) {
		return
	}
	m.wiped++
	*v = voter{self: founder{fmt.Sprint(v.self.Name, m.wiped), v.self.Name}}
}

func (m *electionModel) run(t *rapid.T) {
	rare := []func(*rapid.T){m.look, m.crash, m.lose, m.wipe}
	for range 120 {
		switch rapid.Uint8().Draw(t, "step") % 16 {
		case 1, 2:
			m.attempt(t)
		case 3:
			rapid.SampledFrom(rare).Draw(t, "rare")(t)
		default:
			m.deliver(t)
		}
		require.LessOrEqual(t, len(m.founded), 1, "%v", m.founded)
	}
}

// Whatever is lost, comes twice or crashes, at most one node founds, if a quorum is more
// than half; and if it is all nodes, even when disks are emptied.
func TestAtMostOneNodeFounds(t *testing.T) {
	founded := 0
	rapid.Check(t, func(t *rapid.T) {
		for range 8 { // a hundred would not show much
			m := newElectionModel(t)
			m.run(t)
			founded += len(m.founded)
		}
	})
	require.NotZero(t, founded, "the model elects somebody now and then")
}

// From whatever state, one attempt of which nothing is lost elects somebody.
func TestAnUndisturbedAttemptElects(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := newElectionModel(t)
		for range rapid.IntRange(0, 30).Draw(t, "steps") {
			switch v := m.any(t); {
			case rapid.Bool().Draw(t, "attempts"):
				v.ballot = nextBallot(v.self.Instance, []vote{v.vote})
				v.vote = v.vote.prepare(v.ballot)
			case v.ballot != ballot{}:
				other := m.any(t)
				other.vote = other.vote.accept(v.ballot, v.self)
			}
		}
		v := m.any(t)
		votes := func() (all []vote) {
			for _, name := range m.names {
				all = append(all, m.voters[name].vote)
			}
			return all
		}
		b := nextBallot(v.self.Instance, votes())
		for _, other := range m.voters {
			other.vote = other.vote.prepare(b)
		}
		f, ok := candidate(b, v.self, votes(), m.quorum)
		require.True(t, ok)
		for _, other := range m.voters {
			other.vote = other.vote.accept(b, f)
		}
		got, ok := elected(votes(), m.quorum)
		require.True(t, ok)
		require.Equal(t, f, got)
	})
}
