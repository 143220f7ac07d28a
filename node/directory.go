package node

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"prefectd/cluster"
	"prefectd/ops"
	"prefectd/prefect"
	"prefectd/store"
)

const membersFile = "members.json"

// directory knows where the other nodes are: by what they gossip, else by what the
// coordination group says, or said when this node was last running.
type directory struct {
	folder *folder

	mu      sync.Mutex
	members []place
	peers   []cluster.Peer
}

// place is where a node was the last time.
type place struct {
	Name    string `json:"name"`
	Cluster string `json:"cluster"`
	Gossip  string `json:"gossip"`
	// Issued is when its certificate was, in microseconds since 1970. Removed says
	// that it, and every one before, is not a member any more.
	Issued  int64 `json:"issued"`
	Removed bool  `json:"removed,omitempty"`
}

func places(members []*store.Member, removals []*store.Removal) []place {
	list := []place{}
	for _, m := range members {
		list = append(list, place{Name: m.Name, Cluster: m.Cluster, Gossip: m.Gossip, Issued: int64(m.Issued)})
	}
	for _, r := range removals {
		list = append(list, place{Name: r.Name, Issued: int64(r.Issued), Removed: true})
	}
	return list
}

var _ cluster.Directory = (*directory)(nil)

// newDirectory begins with what the folder knows.
func newDirectory(f *folder) (*directory, error) {
	d := &directory{folder: f}
	path := filepath.Join(f.path, membersFile)
	raw, err := os.ReadFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return nil, explainFolder(f.path, err)
	default:
		if err := prefect.Unmarshal(raw, &d.members); err != nil {
			return nil, damaged(path)
		}
	}
	return d, nil
}

// Address is where a node takes what other nodes send.
func (d *directory) Address(node string) (string, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for i := range d.peers {
		if d.peers[i].Name == node {
			return d.peers[i].Cluster, nil
		}
	}
	for i := range d.members {
		if d.members[i].Name == node && !d.members[i].Removed {
			return d.members[i].Cluster, nil
		}
	}
	return "", fmt.Errorf("node %s is not known here", node)
}

// Superseded reports whether a node was removed, or another has taken its name: one
// whose certificate is older. One that is not known here may be new.
func (d *directory) Superseded(node string, issued time.Time) bool {
	at := int64(prefect.TimeOf(issued))
	d.mu.Lock()
	defer d.mu.Unlock()
	for i := range d.members {
		if m := &d.members[i]; m.Name == node && (at < m.Issued || m.Removed && at == m.Issued) {
			return true
		}
	}
	return false
}

// heard takes in what the nodes gossip.
func (d *directory) heard(peers []cluster.Peer) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.peers = peers
}

// learn takes in what the coordination group says, and keeps it for the next start.
func (d *directory) learn(l *ops.Layout) error {
	list := places(l.Members, l.Removals)
	d.mu.Lock()
	defer d.mu.Unlock()
	if slices.Equal(list, d.members) {
		return nil
	}
	d.members = list
	return d.folder.save(membersFile, list)
}

// seeds are the addresses at which other nodes gossip.
func (d *directory) seeds() (list []string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for i := range d.members {
		if m := &d.members[i]; m.Name != d.folder.Name && m.Gossip != "" && !m.Removed {
			list = append(list, m.Gossip)
		}
	}
	return list
}
