package node

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"slices"
	"time"

	"prefectd/cluster"
	"prefectd/ops"
	"prefectd/prefect"
)

// Bootstrap says how new nodes that are all started with the same command become one
// cluster: they elect the one that founds it, and the others join that.
type Bootstrap struct {
	Expect    int      // how many of the nodes must take part; 0: all
	Addresses []string // of all nodes, host:port for other nodes; each is one node's
	Token     string   // a seed token, the same for all
}

// NewSeed makes a token for nodes that start together.
func NewSeed() string { return cluster.NewSeed() }

// plan is what all nodes must be started with alike.
type plan struct {
	Quorum    int      `json:"quorum"`
	Addresses []string `json:"addresses"` // sorted, each once
}

func (p plan) equal(other plan) bool {
	return p.Quorum == other.Quorum && slices.Equal(p.Addresses, other.Addresses)
}

// plan checks what a new node is told.
func (b *Bootstrap) plan() (p plan, err error) {
	p.Quorum, p.Addresses = b.Expect, slices.Compact(slices.Sorted(slices.Values(b.Addresses)))
	all := len(p.Addresses)
	if p.Quorum == 0 {
		p.Quorum = all
	}
	switch {
	case all == 0:
		return p, errors.New("--bootstrap-expect needs --join with the addresses of all nodes")
	case p.Quorum > all:
		return p, fmt.Errorf("--bootstrap-expect %d is more than the %d addresses of --join: name all nodes there, each by an address of its own", p.Quorum, all)
	case p.Quorum <= all/2:
		return p, fmt.Errorf("--bootstrap-expect %d is not more than half of the %d addresses of --join, so there could be two clusters: %d or, better, %d", p.Quorum, all, all/2+1, all)
	}
	return p, nil
}

// Times of a new node that has no cluster.
const (
	pollTime   = 5 * time.Second
	roundEvery = 500 * time.Millisecond // give or take a half, so that nodes do not keep in each other's way
	remindTime = 30 * time.Second
)

// bootstrap waits until there is a cluster, and answers this node as a member of it; or
// nil if this node is to found it. Only the end of ctx ends it.
func (c *Config) bootstrap(ctx context.Context, l net.Listener, self cluster.Peer, gossip string) (*newcomer, error) {
	p, err := c.Bootstrap.plan()
	if err != nil {
		return nil, err
	}
	seed, err := cluster.ParseSeed(c.Bootstrap.Token)
	if err != nil {
		return nil, err
	}
	s, err := newStarter(c.DataDir, self.Name, p)
	if err != nil {
		return nil, err
	}
	s.ask = func(ctx context.Context, address string, q *inquiry) (*standing, error) {
		return askSeed(ctx, seed, address, q)
	}
	stop := seed.Serve(l.(*net.TCPListener), c.Log, s.answer)
	defer stop()
	return c.rounds(ctx, s, func(address string) (*newcomer, error) {
		return (&Join{Address: address, Token: c.Bootstrap.Token}).apply(ctx, self, gossip)
	})
}

// rounds asks the others until there is a cluster.
func (c *Config) rounds(ctx context.Context, s *starter, join func(address string) (*newcomer, error)) (*newcomer, error) {
	r := reminder{log: c.Log}
	for {
		now, err := s.round(ctx)
		if err != nil {
			return nil, err
		}
		if now.founds {
			c.Log.Info("this node founds the cluster", "node", s.self.Name)
			return nil, nil
		}
		for _, address := range now.join {
			joined, err := join(address)
			if err == nil {
				return joined, nil
			}
			now.waits = err.Error()
		}
		r.say(now.waits)
		select {
		case <-time.After(roundEvery/2 + rand.N(roundEvery)):
		case <-ctx.Done():
			return nil, fmt.Errorf("stopped without a cluster: %w", ctx.Err())
		}
	}
}

// reminder says what a node waits for: when that changes, and louder when it lasts.
type reminder struct {
	log   *slog.Logger
	said  string
	since time.Time
}

func (r *reminder) say(waits string) {
	switch now := time.Now(); {
	case r.since.IsZero():
		r.since = now
		fallthrough
	case waits != r.said && now.Sub(r.since) < remindTime:
		r.log.Info("the node has no cluster yet", "waits", waits)
	case now.Sub(r.since) >= remindTime:
		r.log.Warn("the node still has no cluster", "waits", waits)
		r.since = now
	}
	r.said = waits
}

// askSeed asks one node.
func askSeed(ctx context.Context, seed *cluster.Seed, address string, q *inquiry) (*standing, error) {
	body, err := prefect.Marshal(q)
	if err != nil {
		return nil, err
	}
	raw, err := seed.Ask(ctx, address, body)
	if err != nil {
		return nil, err
	}
	var r standing
	if err := prefect.Unmarshal(raw, &r); err != nil {
		return nil, fmt.Errorf("%s does not answer as a node does: %w", address, err)
	}
	return &r, nil
}

// handleSeed has a member let those in that have the seed. A member that was started
// without one, or with a wrong one, runs all the same.
func (n *Node) handleSeed() {
	if n.config.Bootstrap == nil {
		return
	}
	seed, err := cluster.ParseSeed(n.config.Bootstrap.Token)
	if err != nil {
		n.log.Warn("new nodes cannot join with the seed token of this one", "err", err)
		return
	}
	n.net.HandleSeed(seed, n.answerSeed)
}

func (n *Node) answerSeed(ctx context.Context, body []byte) ([]byte, error) {
	var q inquiry
	if err := prefect.Unmarshal(body, &q); err != nil {
		return nil, errInquiry
	}
	if q.Apply == nil {
		return prefect.Marshal(&standing{Cluster: n.folder.ClusterID, Node: founder{Name: n.name}})
	}
	layout, err := ops.Ask[*ops.Layout](ctx, n, ops.Coordination, &ops.ReadLayout{})
	if err != nil {
		return nil, err
	}
	if layout.Charter == nil {
		return nil, errors.New("the node has just been started: try again")
	}
	return n.welcome(ctx, q.Apply, layout)
}

// forgetVote removes what the node was bound to until it had a cluster.
func (f *folder) forgetVote() error {
	if err := os.Remove(filepath.Join(f.path, voteFile)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return explainFolder(f.path, err)
	}
	return nil
}
