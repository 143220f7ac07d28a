package node

import (
	"context"
	"crypto/subtle"
	"crypto/x509"
	"errors"
	"fmt"
	"time"

	"prefectd/cluster"
	"prefectd/ops"
	"prefectd/prefect"
	"prefectd/store"
)

// Join says which cluster a new node is to become a member of.
type Join struct {
	Address string // of a member, for other nodes
	Token   string
}

// application is what a node says that wants to join.
type application struct {
	Member store.Member
	Secret []byte
	Key    []byte // its public key
}

// admission is what it needs as a member.
type admission struct {
	ClusterID   string
	RunGroups   int
	Certificate []byte // PEM, as the next
	Authority   []byte
	GossipKey   []byte
	Members     []*store.Member
}

// joinTime is how long a node asks to be admitted: it may have to wait until the one
// that had its name before is forgotten.
const joinTime = 90 * time.Second

// apply asks a member to be admitted.
func (c *Config) apply(ctx context.Context, self cluster.Peer, gossip string) (*newcomer, error) {
	token, err := cluster.ParseToken(c.Join.Token)
	if err != nil {
		return nil, err
	}
	key, err := newNodeKey()
	if err != nil {
		return nil, err
	}
	public, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		return nil, fmt.Errorf("encode key: %w", err)
	}
	body, err := prefect.Marshal(&application{
		Member: store.Member{
			Name: self.Name, Cluster: self.Cluster, Gossip: gossip, API: self.API, Version: self.Version, Level: self.Level,
		},
		Secret: token.Secret[:], Key: public,
	})
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, joinTime)
	defer cancel()
	raw, err := cluster.RequestJoin(ctx, c.Join.Address, token, body)
	if err != nil {
		return nil, err
	}
	var a admission
	if err := prefect.Unmarshal(raw, &a); err != nil {
		return nil, fmt.Errorf("%s does not answer as a member does: %w", c.Join.Address, err)
	}
	t := &trust{Certificate: string(a.Certificate), Authority: string(a.Authority), GossipKey: a.GossipKey}
	if err := t.setKey(key); err != nil {
		return nil, err
	}
	id := identity{Name: self.Name, ClusterID: a.ClusterID, RunGroups: a.RunGroups, Joined: true}
	return &newcomer{identity: id, trust: t, members: a.Members}, nil
}

// admit takes a node in that applies with the right secret.
func (n *Node) admit(ctx context.Context, body []byte) ([]byte, error) {
	var a application
	if err := prefect.Unmarshal(body, &a); err != nil {
		return nil, errors.New("the application is damaged, or of another version")
	}
	layout, err := ops.Ask[*ops.Layout](ctx, n, ops.Coordination, &ops.ReadLayout{})
	if err != nil {
		return nil, err
	}
	if layout.Charter == nil || subtle.ConstantTimeCompare(layout.Charter.Secret, a.Secret) != 1 {
		return nil, errors.New("the token is not valid, or not any more: get one with `prefectd token` on a member")
	}
	public, err := x509.ParsePKIXPublicKey(a.Key)
	if err != nil || a.Member.Name == "" {
		return nil, errors.New("the application is damaged, or of another version")
	}
	if a.Member.Level < layout.Charter.Level {
		return nil, fmt.Errorf("prefectd %s is too old for this cluster: use %s or a newer one", a.Member.Version, n.config.Version)
	}
	if layout.Member(a.Member.Name) != nil {
		if err := n.forget(ctx, a.Member.Name); err != nil {
			return nil, err
		}
	}
	authority, err := cluster.ParseAuthority(layout.Charter.Authority)
	if err != nil {
		return nil, err
	}
	certificate, err := authority.Issue(a.Member.Name, public)
	if err != nil {
		return nil, err
	}
	issued, err := cluster.IssuedAt(certificate)
	if err != nil {
		return nil, err
	}
	a.Member.Issued = prefect.TimeOf(issued)
	if layout, err = ops.Do[*ops.Layout](ctx, n, ops.Coordination, &ops.AdmitMember{Member: a.Member}); err != nil {
		return nil, err
	}
	n.log.Info("node is admitted", "node", a.Member.Name, "address", a.Member.Cluster)
	answer := admission{
		ClusterID: layout.Charter.ClusterID, RunGroups: layout.Charter.RunGroups,
		Certificate: certificate, Authority: authority.Certificate(), GossipKey: layout.Charter.GossipKey,
		Members: layout.Members,
	}
	return prefect.Marshal(&answer)
}

// forget ends the membership of a node that lost its disk, so that its name can be
// used again. As a voter it must not come back with an empty log: what it had
// acknowledged would be lost.
func (n *Node) forget(ctx context.Context, name string) error {
	if name == n.name {
		return fmt.Errorf("a node named %s is running: choose another name with --node-name", name)
	}
	asked, cancel := context.WithTimeout(ctx, reportTime)
	defer cancel()
	if _, err := ask[*ops.Report](asked, n.backend, name, callReport, nil); err == nil {
		return fmt.Errorf("a node named %s is running: choose another name with --node-name", name)
	}
	_, err := n.Do(ctx, ops.Coordination, &ops.RemoveMember{Name: name})
	var refused *ops.Error
	if errors.As(err, &refused) && refused.Status == 404 {
		err = nil // somebody else did it
	}
	for err == nil {
		var groups []ops.ClusterGroup
		if groups, err = n.ClusterGroups(ctx); err == nil && !inConfiguration(groups, name) {
			return nil
		}
		select {
		case <-time.After(controlEvery / 4):
		case <-ctx.Done():
			return fmt.Errorf("the node that was named %s cannot be replaced before most of the others answer: %w", name, ctx.Err())
		}
	}
	return err
}

// inConfiguration reports whether a node counts in any group, or may do so.
func inConfiguration(groups []ops.ClusterGroup, name string) bool {
	for _, g := range groups {
		if g.Leader == "" {
			return true
		}
		for _, list := range [][]string{g.Voters, g.Learners} {
			for _, other := range list {
				if other == name {
					return true
				}
			}
		}
	}
	return false
}
