package store

import "prefectd/prefect"

// Charter is what makes nodes one cluster. There is one.
type Charter struct {
	ClusterID string `row:"1"`
	RunGroups int    `row:"2"`
	Authority []byte `row:"3"` // certificate and key of the authority that signs for nodes, PEM
	Secret    []byte `row:"4"` // what a node has to know to join
	GossipKey []byte `row:"5"`
	Level     int    `row:"6"` // the newest formats that may be written: every member reads them
}

// Charters holds the charter, in the coordination group.
var Charters = NewTable("charters", 16, 1,
	func(_ *Charter, k Key) Key { return k.Byte(0) })

// Member is a node of the cluster.
type Member struct {
	Name     string       `row:"1"`
	Cluster  string       `row:"2"` // its addresses for other nodes, host:port
	Gossip   string       `row:"3"`
	API      string       `row:"4"` // and for clients
	Version  string       `row:"5"`
	Level    int          `row:"6"` // the newest formats that it knows
	Joined   prefect.Time `row:"7"`
	Draining bool         `row:"8"` // it is to lead and to hold nothing
	Issued   prefect.Time `row:"9"` // when its certificate was: a later node of its name has a later one
}

// Members, in the coordination group. Every one of them holds a replica of it.
var Members = NewTable("members", 17, idLen,
	func(m *Member, k Key) Key { return k.Name(m.Name) })

// Removal is a node that was a member.
type Removal struct {
	Name   string       `row:"1"`
	Issued prefect.Time `row:"2"` // when its certificate was
}

// Removals has the last node of each name that was removed, in the coordination group.
var Removals = NewTable("removals", 19, idLen,
	func(r *Removal, k Key) Key { return k.Name(r.Name) })

// Placement is which members are to hold a run group.
type Placement struct {
	Group int      `row:"1"`
	Nodes []string `row:"2"` // names, sorted
}

// Placements, in the coordination group.
var Placements = NewTable("placements", 18, 8,
	func(p *Placement, k Key) Key { return k.Uint64(uint64(p.Group)) })
