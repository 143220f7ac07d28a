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
	Key      []byte       `row:"9"` // SHA-256 of its public key
}

// Members, in the coordination group. Every one of them holds a replica of it.
var Members = NewTable("members", 17, idLen,
	func(m *Member, k Key) Key { return k.Name(m.Name) })

// Placement is which members are to hold a run group.
type Placement struct {
	Group int      `row:"1"`
	Nodes []string `row:"2"` // names, sorted
}

// Placements, in the coordination group.
var Placements = NewTable("placements", 18, 8,
	func(p *Placement, k Key) Key { return k.Uint64(uint64(p.Group)) })
