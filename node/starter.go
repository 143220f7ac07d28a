package node

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/google/uuid"

	"prefectd/prefect"
)

// inquiry is what nodes ask each other that have the seed. Without any of the last
// three it is only who answers.
type inquiry struct {
	Plan    plan         `json:"plan"`
	Prepare *ballot      `json:"prepare,omitempty"`
	Accept  *vote        `json:"accept,omitempty"` // only what was accepted
	Apply   *application `json:"apply,omitempty"`  // answered by an admission
}

// standing is who answers, and what it is bound to.
type standing struct {
	Cluster string  `json:"cluster"` // id of the one that it is a member of; empty if there is none
	Node    founder `json:"node"`
	Plan    plan    `json:"plan"`
	Vote    vote    `json:"vote"` // of a node that has no cluster, if the plans agree
}

const voteFile = "bootstrap.json"

// ballotBox is the file of a node that has no cluster.
type ballotBox struct {
	Instance string `json:"instance"`
	Vote     vote   `json:"vote"`
}

// starter is a new node that looks for a cluster, or for others to found one with.
type starter struct {
	plan plan
	ask  func(ctx context.Context, address string, q *inquiry) (*standing, error)
	dir  string
	self founder

	mu   sync.Mutex
	cast vote // as on disk
}

// newStarter reads what the node is bound to from before, if it is.
func newStarter(dir, name string, p plan) (*starter, error) {
	path := filepath.Join(dir, voteFile)
	raw, err := os.ReadFile(path)
	var box ballotBox
	switch {
	case errors.Is(err, fs.ErrNotExist):
		box.Instance = uuid.NewString()
	case err != nil:
		return nil, explainFolder(dir, err)
	default:
		if err := prefect.Unmarshal(raw, &box); err != nil || box.Instance == "" {
			return nil, fmt.Errorf("%s is damaged: the node has no data yet, so empty its data folder", path)
		}
	}
	s := &starter{plan: p, dir: dir, self: founder{box.Instance, name}, cast: box.Vote}
	return s, s.save(s.cast)
}

// save makes what the node is bound to outlast it.
func (s *starter) save(v vote) error {
	raw, err := prefect.Marshal(&ballotBox{s.self.Instance, v})
	if err != nil {
		return err
	}
	if err := writeFile(filepath.Join(s.dir, voteFile), append(raw, '\n')); err != nil {
		return explainFolder(s.dir, err)
	}
	return nil
}

// vote changes what the node is bound to. What it answers is on disk.
func (s *starter) vote(change func(vote) vote) (vote, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	changed := change(s.cast)
	if changed != s.cast {
		if err := s.save(changed); err != nil {
			return vote{}, err
		}
		s.cast = changed
	}
	return s.cast, nil
}

// answer answers another node.
func (s *starter) answer(_ context.Context, body []byte) ([]byte, error) {
	var q inquiry
	if err := prefect.Unmarshal(body, &q); err != nil {
		return nil, errInquiry
	}
	if q.Apply != nil {
		return nil, errors.New("the node has no cluster yet: try again")
	}
	r := standing{Node: s.self, Plan: s.plan}
	if q.Plan.equal(s.plan) {
		var err error
		r.Vote, err = s.vote(func(v vote) vote {
			switch {
			case q.Prepare != nil:
				return v.prepare(*q.Prepare)
			case q.Accept != nil:
				return v.accept(q.Accept.Accepted, q.Accept.Founder)
			}
			return v
		})
		if err != nil {
			return nil, err
		}
	}
	return prefect.Marshal(&r)
}

var errInquiry = errors.New("the inquiry is damaged, or of another version")

// poll is what the nodes of the list answered.
type poll struct {
	clusters map[string][]string // addresses of members, by the cluster's id
	votes    []vote              // of the nodes that have none, each once
	self     bool                // this node is among those
	missing  []string            // why others are not
}

// poll asks all nodes of the list side by side.
func (s *starter) poll(ctx context.Context, q *inquiry) *poll {
	ctx, cancel := context.WithTimeout(ctx, pollTime)
	defer cancel()
	q.Plan = s.plan
	replies, errs := make([]*standing, len(s.plan.Addresses)), make([]error, len(s.plan.Addresses))
	var asking sync.WaitGroup
	for i, address := range s.plan.Addresses {
		asking.Go(func() { replies[i], errs[i] = s.ask(ctx, address, q) })
	}
	asking.Wait()
	p := &poll{clusters: map[string][]string{}}
	counted := map[string]bool{}
	for i, address := range s.plan.Addresses {
		switch r := replies[i]; {
		case errs[i] != nil:
			p.missing = append(p.missing, errs[i].Error())
		case r.Cluster != "":
			p.clusters[r.Cluster] = append(p.clusters[r.Cluster], address)
		case !r.Plan.equal(s.plan):
			p.missing = append(p.missing, fmt.Sprintf("node %s at %s was started with other --join or --bootstrap-expect", r.Node.Name, address))
		case counted[r.Node.Instance]:
			p.missing = append(p.missing, fmt.Sprintf("%s is another address of node %s", address, r.Node.Name))
		default:
			counted[r.Node.Instance] = true
			p.votes = append(p.votes, r.Vote)
		}
	}
	p.self = counted[s.self.Instance]
	return p
}

// next is what a round of questions came to.
type next struct {
	join   []string // addresses of a cluster's members
	founds bool     // this node is elected
	waits  string   // else: for what
}

// round asks the others once, and has them elect somebody if enough are there.
func (s *starter) round(ctx context.Context) (next, error) {
	p := s.poll(ctx, &inquiry{})
	switch {
	case len(p.clusters) > 1:
		return next{waits: fmt.Sprintf("the nodes of --join are of %d clusters: name only those of one", len(p.clusters))}, nil
	case len(p.clusters) == 1:
		for _, members := range p.clusters {
			return next{join: members}, nil
		}
	}
	if f, ok := elected(p.votes, s.plan.Quorum); ok {
		return s.follow(f), nil
	}
	switch {
	case len(p.votes) < s.plan.Quorum:
		return next{waits: fmt.Sprintf("%d of %d new nodes are there: %s", len(p.votes), s.plan.Quorum, strings.Join(p.missing, "; "))}, nil
	case !p.self:
		return next{waits: "it is none of --join, so it waits until those have a cluster"}, nil
	}
	return s.elect(ctx, p.votes)
}

// elect tries to have somebody elected.
func (s *starter) elect(ctx context.Context, votes []vote) (next, error) {
	again := next{waits: "the nodes elect who founds the cluster"}
	b := nextBallot(s.self.Instance, votes)
	mine, err := s.vote(func(v vote) vote { return v.prepare(b) }) // so that a ballot is used once
	if err != nil || mine.Promised != b {
		return again, err
	}
	p := s.poll(ctx, &inquiry{Prepare: &b})
	f, ok := candidate(b, s.self, p.votes, s.plan.Quorum)
	if !ok {
		return again, nil
	}
	p = s.poll(ctx, &inquiry{Accept: &vote{Accepted: b, Founder: f}})
	if f, ok = elected(p.votes, s.plan.Quorum); !ok {
		return again, nil
	}
	return s.follow(f), nil
}

// follow is what to do when somebody is elected.
func (s *starter) follow(f founder) next {
	if f.Instance == s.self.Instance { // its name may be another now
		return next{founds: true}
	}
	return next{waits: fmt.Sprintf("node %s is elected to found the cluster and has not yet: if its disk is lost, stop all nodes, delete %s in the data folder of each, and start them again", f.Name, voteFile)}
}
