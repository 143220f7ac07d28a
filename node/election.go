package node

import (
	"cmp"
	"slices"
)

// Nodes that have no cluster yet elect the one that founds it: single-decree Paxos,
// in which the nodes of the list are the acceptors. A promise that is given once and for
// good would do, too, but for splits: of five that see different three, each may have
// promised to another, and nobody ever founds.

// founder is a node that could found the cluster. A node whose disk was emptied is
// another one, whatever its name.
type founder struct {
	Instance string `json:"instance"`
	Name     string `json:"name"` // for people
}

// ballot numbers the attempts to elect. No two are the same.
type ballot struct {
	Round    int    `json:"round"`
	Instance string `json:"instance"` // whose attempt it is
}

func (b ballot) compare(other ballot) int {
	return cmp.Or(cmp.Compare(b.Round, other.Round), cmp.Compare(b.Instance, other.Instance))
}

// vote is what a node holds itself to. It must be on disk before anybody hears of it.
type vote struct {
	Promised ballot  `json:"promised"` // to take part in no older attempt
	Accepted ballot  `json:"accepted"` // the newest attempt in which it voted
	Founder  founder `json:"founder"`  // for whom
}

// prepare promises to take part in an attempt, if that is possible.
func (v vote) prepare(b ballot) vote {
	if b.compare(v.Promised) > 0 {
		v.Promised = b
	}
	return v
}

// accept votes in an attempt, if that is possible.
func (v vote) accept(b ballot, f founder) vote {
	if b.compare(v.Promised) < 0 {
		return v
	}
	return vote{Promised: b, Accepted: b, Founder: f}
}

// elected answers who has the votes of at least quorum nodes in one attempt.
func elected(votes []vote, quorum int) (founder, bool) {
	count := map[ballot]int{}
	for _, v := range votes {
		if v.Accepted == (ballot{}) {
			continue
		}
		if count[v.Accepted]++; count[v.Accepted] == quorum {
			return v.Founder, true
		}
	}
	return founder{}, false
}

// nextBallot is one that is newer than all that votes know of.
func nextBallot(self string, votes []vote) ballot {
	newest := slices.MaxFunc(votes, func(a, b vote) int { return a.Promised.compare(b.Promised) })
	return ballot{newest.Promised.Round + 1, self}
}

// candidate answers who is to be voted for in an attempt, given what the nodes answered
// to prepare: whom they may have elected already, else the one who asks. It answers
// false if fewer than quorum promised to take part.
func candidate(b ballot, self founder, votes []vote, quorum int) (founder, bool) {
	var newest vote
	promised := 0
	for _, v := range votes {
		if v.Promised != b {
			continue
		}
		promised++
		if v.Accepted.compare(newest.Accepted) > 0 {
			newest = v
		}
	}
	if newest.Accepted != (ballot{}) {
		self = newest.Founder
	}
	return self, promised >= quorum
}
