package ops

import "time"

// Report is what a node tells the others of itself.
type Report struct {
	Node    string        `json:"node"`
	Version string        `json:"version"`
	Level   int           `json:"level"` // the newest formats that it knows
	API     string        `json:"api"`
	Groups  []GroupStatus `json:"groups"` // that it holds, by number
}

// Group finds what a node tells of a group; nil if it does not hold it.
func (r *Report) Group(number int) *GroupStatus {
	for i := range r.Groups {
		if r.Groups[i].Group == number {
			return &r.Groups[i]
		}
	}
	return nil
}

// GroupStatus is what a node tells of its replica of a group.
type GroupStatus struct {
	Group       int      `json:"group"`
	Kind        string   `json:"kind"` // coordination or runs
	Role        string   `json:"role"` // leader, follower or candidate
	Leader      string   `json:"leader"`
	Kept        bool     `json:"kept"` // it leads because an operator asked for it, and so goes on for a while
	Term        uint64   `json:"term"`
	Commit      uint64   `json:"commit"`
	Applied     uint64   `json:"applied"`
	LastContact float64  `json:"last_contact"` // seconds since the leader was heard of; -1 if never
	Voters      []string `json:"voters"`
	Learners    []string `json:"learners"`
	LogFirst    uint64   `json:"log_first"`
	LogLast     uint64   `json:"log_last"`
	LogBytes    int64    `json:"log_bytes"`
	FileBytes   int64    `json:"file_bytes"` // of the state file
	FileFree    int64    `json:"file_free"`  // of them, free
}

// Status is what a node tells operators of itself and the cluster.
type Status struct {
	Version   string        `json:"version"`
	Node      string        `json:"node"`
	ClusterID string        `json:"cluster_id"`
	DataDir   string        `json:"data_dir"`
	Ready     bool          `json:"ready"`
	Reason    string        `json:"reason,omitempty"` // why it is not ready
	Healthy   bool          `json:"healthy"`
	Problems  []string      `json:"problems"` // why the cluster is not healthy
	Level     int           `json:"level"`    // the newest formats that are written
	Groups    []GroupStatus `json:"groups"`   // that the node holds
}

// MemberStatus is what the cluster knows of a member.
type MemberStatus struct {
	Name     string    `json:"name"`
	Alive    bool      `json:"alive"`
	Draining bool      `json:"draining"`
	Cluster  string    `json:"cluster_address"`
	Gossip   string    `json:"gossip_address"`
	API      string    `json:"api_address"`
	Version  string    `json:"version"`
	Level    int       `json:"level"`
	Joined   time.Time `json:"joined"`
	Holds    []int     `json:"holds"` // groups
	Leads    []int     `json:"leads"`
	Bytes    int64     `json:"bytes"` // of its state files and logs
}

// ClusterGroup is what the cluster knows of a group.
type ClusterGroup struct {
	Group    int             `json:"group"`
	Kind     string          `json:"kind"`
	Leader   string          `json:"leader"`
	Term     uint64          `json:"term"`
	Commit   uint64          `json:"commit"`
	Placed   []string        `json:"placed"` // who is to hold it
	Voters   []string        `json:"voters"`
	Learners []string        `json:"learners"`
	Replicas []ReplicaStatus `json:"replicas"`
	Healthy  bool            `json:"healthy"`
	Problems []string        `json:"problems"`
}

// ReplicaStatus is what a node tells of a group that it holds, beside the leader's
// word.
type ReplicaStatus struct {
	Node string `json:"node"`
	GroupStatus
	Lag uint64 `json:"lag"` // entries that the leader has applied and it has not
}
