package ops

// Status is what a node tells of itself.
type Status struct {
	Version   string        `json:"version"`
	Node      string        `json:"node"`
	ClusterID string        `json:"cluster_id"`
	Ready     bool          `json:"ready"`
	Reason    string        `json:"reason,omitempty"` // why it is not ready
	Groups    []GroupStatus `json:"groups"`
}

// GroupStatus is what a node tells of its replica of a group.
type GroupStatus struct {
	Group   int    `json:"group"`
	Kind    string `json:"kind"` // coordination or runs
	Role    string `json:"role"` // leader, follower or candidate
	Leader  string `json:"leader"`
	Term    uint64 `json:"term"`
	Applied uint64 `json:"applied"`
}
