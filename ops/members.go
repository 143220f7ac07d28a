package ops

import (
	"cmp"
	"fmt"
	"slices"

	"prefectd/prefect"
	"prefectd/store"
)

// Layout is which nodes make up the cluster and what they hold.
type Layout struct {
	Charter    *store.Charter  // nil before the cluster was founded
	Members    []*store.Member // by name
	Removals   []*store.Removal
	Placements []*store.Placement
}

// Member finds a member by its name; nil if there is none.
func (l *Layout) Member(name string) *store.Member {
	i := slices.IndexFunc(l.Members, func(m *store.Member) bool { return m.Name == name })
	if i < 0 {
		return nil
	}
	return l.Members[i]
}

// Holders are the members that are to hold a run group.
func (l *Layout) Holders(group int) []string {
	for _, p := range l.Placements {
		if p.Group == group {
			return p.Nodes
		}
	}
	return nil
}

// ReadLayout reads the layout, from the coordination group.
type ReadLayout struct{}

// Read answers a *Layout.
func (*ReadLayout) Read(tx *store.Tx, _ prefect.Time) (any, error) { return layoutOf(tx), nil }

func layoutOf(tx *store.Tx) *Layout {
	l := &Layout{Charter: store.Charters.Get(tx, store.Key{}.Byte(0))}
	for m := range store.Members.Rows(tx, store.Range{}) {
		l.Members = append(l.Members, m)
	}
	slices.SortFunc(l.Members, func(a, b *store.Member) int { return cmp.Compare(a.Name, b.Name) })
	for r := range store.Removals.Rows(tx, store.Range{}) {
		l.Removals = append(l.Removals, r)
	}
	for p := range store.Placements.Rows(tx, store.Range{}) {
		l.Placements = append(l.Placements, p)
	}
	return l
}

// FoundCluster makes a lone node the first member of a cluster, which holds all
// groups. It is repeated at each start of a lone node: the same cluster is founded
// once, and what another one left (a restored backup) is replaced.
type FoundCluster struct {
	Charter store.Charter
	Founder store.Member
}

// Run answers nothing.
func (o *FoundCluster) Run(c *Context) (any, error) {
	was := layoutOf(c.Tx)
	if was.Charter != nil && was.Charter.ClusterID == o.Charter.ClusterID {
		return nil, nil
	}
	for _, m := range was.Members {
		store.Members.Delete(c.Tx, store.Members.Key(m))
	}
	for _, r := range was.Removals {
		store.Removals.Delete(c.Tx, store.Removals.Key(r))
	}
	store.Charters.Put(c.Tx, &o.Charter)
	founder := o.Founder
	founder.Joined = c.Now
	store.Members.Put(c.Tx, &founder)
	for _, group := range c.Groups.RunGroups() {
		store.Placements.Put(c.Tx, &store.Placement{Group: group, Nodes: []string{founder.Name}})
	}
	return nil, nil
}

// AdmitMember makes a node a member. One of that name must be removed before.
type AdmitMember struct {
	Member store.Member
}

// Run answers a *Layout; 409 if the name is taken.
func (o *AdmitMember) Run(c *Context) (any, error) {
	if store.Members.Has(c.Tx, store.Members.Key(&o.Member)) {
		return nil, Conflict(fmt.Sprintf("A node named %s is a member already.", o.Member.Name))
	}
	m := o.Member
	m.Joined = c.Now
	store.Members.Put(c.Tx, &m)
	return layoutOf(c.Tx), nil
}

// UpdateMember notes where a member is now and what it runs.
type UpdateMember struct {
	Member store.Member // without what it was admitted with
}

// Run answers nothing; 404 for a node that is not a member.
func (o *UpdateMember) Run(c *Context) (any, error) {
	m, err := member(c.Tx, o.Member.Name)
	if err != nil {
		return nil, err
	}
	m.Cluster, m.Gossip, m.API = o.Member.Cluster, o.Member.Gossip, o.Member.API
	m.Version, m.Level = o.Member.Version, o.Member.Level
	store.Members.Put(c.Tx, m)
	return nil, nil
}

func member(tx *store.Tx, name string) (*store.Member, error) {
	m := store.Members.Get(tx, store.Key{}.Name(name))
	if m == nil {
		return nil, NotFound(fmt.Sprintf("There is no member named %s.", name))
	}
	return m, nil
}

// DrainMember has a member lead and hold nothing, or lets it do so again.
type DrainMember struct {
	Name     string
	Draining bool
}

// Run answers nothing; 404 for a node that is not a member, 409 for the last one
// that holds anything.
func (o *DrainMember) Run(c *Context) (any, error) {
	m, err := member(c.Tx, o.Name)
	if err != nil {
		return nil, err
	}
	if o.Draining && !slices.ContainsFunc(layoutOf(c.Tx).Members, func(other *store.Member) bool {
		return other.Name != o.Name && !other.Draining
	}) {
		return nil, Conflict(fmt.Sprintf("Node %s is the last one that can hold data.", o.Name))
	}
	m.Draining = o.Draining
	store.Members.Put(c.Tx, m)
	return nil, nil
}

// RemoveMember ends a membership. The replicas that the node has are no members of
// their groups any more, as soon as the groups can do without them.
type RemoveMember struct {
	Name string
}

// Run answers nothing; 404 for a node that is not a member, 409 for the last one.
func (o *RemoveMember) Run(c *Context) (any, error) {
	m, err := member(c.Tx, o.Name)
	if err != nil {
		return nil, err
	}
	if len(layoutOf(c.Tx).Members) == 1 {
		return nil, Conflict(fmt.Sprintf("Node %s is the only member.", o.Name))
	}
	store.Members.Delete(c.Tx, store.Members.Key(m))
	store.Removals.Put(c.Tx, &store.Removal{Name: m.Name, Issued: m.Issued})
	return nil, nil
}

// Place says which members are to hold a run group.
type Place struct {
	Group int
	Nodes []string
}

// Run answers nothing; 404 if one of them is not a member.
func (o *Place) Run(c *Context) (any, error) {
	for _, name := range o.Nodes {
		if _, err := member(c.Tx, name); err != nil {
			return nil, err
		}
	}
	store.Placements.Put(c.Tx, &store.Placement{Group: o.Group, Nodes: slices.Sorted(slices.Values(o.Nodes))})
	return nil, nil
}

// RaiseLevel allows newer formats to be written, for good: every member reads them.
type RaiseLevel struct {
	Level int
}

// Run answers nothing.
func (o *RaiseLevel) Run(c *Context) (any, error) {
	return nil, c.amend(func(charter *store.Charter) { charter.Level = max(charter.Level, o.Level) })
}

// ReplaceSecret makes the join tokens that were given out useless.
type ReplaceSecret struct {
	Secret []byte
}

// Run answers nothing.
func (o *ReplaceSecret) Run(c *Context) (any, error) {
	return nil, c.amend(func(charter *store.Charter) { charter.Secret = o.Secret })
}

// amend changes the charter.
func (c *Context) amend(change func(*store.Charter)) error {
	charter := store.Charters.Get(c.Tx, store.Key{}.Byte(0))
	if charter == nil {
		return NotFound("The cluster was not founded yet.")
	}
	change(charter)
	store.Charters.Put(c.Tx, charter)
	return nil
}
