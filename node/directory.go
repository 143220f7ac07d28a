package node

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"prefectd/cluster"
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
}

func places(members []*store.Member) []place {
	list := []place{}
	for _, m := range members {
		list = append(list, place{m.Name, m.Cluster, m.Gossip})
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
		if d.members[i].Name == node {
			return d.members[i].Cluster, nil
		}
	}
	return "", fmt.Errorf("node %s is not known here", node)
}

// heard takes in what the nodes gossip.
func (d *directory) heard(peers []cluster.Peer) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.peers = peers
}

// learn takes in what the coordination group says, and keeps it for the next start.
func (d *directory) learn(members []*store.Member) error {
	list := places(members)
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
		if m := &d.members[i]; m.Name != d.folder.Name && m.Gossip != "" {
			list = append(list, m.Gossip)
		}
	}
	return list
}
