package node

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"prefectd/cluster"
	"prefectd/prefect"
)

const trustFile = "trust.json"

// trust is what a node proves itself with to the others, and what it has to know to
// find them before it has spoken to any.
type trust struct {
	Key         string `json:"key"`         // PEM, as all of them
	Certificate string `json:"certificate"` // of the node
	Authority   string `json:"authority"`   // certificate of the cluster's authority
	// AuthorityKey is known to the founder until the cluster's charter has it.
	AuthorityKey string `json:"authority_key,omitempty"`
	GossipKey    []byte `json:"gossip_key"`
}

// gossipKeyLen is the length of a key for AES-256.
const gossipKeyLen = 32

// foundTrust makes an authority and the first node's certificate.
func foundTrust(clusterID, node string) (*trust, error) {
	authority, err := cluster.NewAuthority(clusterID)
	if err != nil {
		return nil, err
	}
	key, err := newNodeKey()
	if err != nil {
		return nil, err
	}
	certificate, err := authority.Issue(node, key.Public())
	if err != nil {
		return nil, err
	}
	t := &trust{Certificate: string(certificate), Authority: string(authority.Certificate()), AuthorityKey: string(authority.PEM()), GossipKey: make([]byte, gossipKeyLen)}
	rand.Read(t.GossipKey) // never fails: it ends the program instead
	return t, t.setKey(key)
}

func newNodeKey() (*ecdsa.PrivateKey, error) { return ecdsa.GenerateKey(elliptic.P256(), rand.Reader) }

func (t *trust) setKey(key *ecdsa.PrivateKey) error {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return fmt.Errorf("encode key: %w", err)
	}
	t.Key = string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
	return nil
}

// identity is what the network takes.
func (t *trust) identity(node string) (*cluster.Identity, error) {
	id, err := cluster.NewIdentity(node, []byte(t.Key), []byte(t.Certificate), []byte(t.Authority))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", trustFile, err)
	}
	return id, nil
}

// loadTrust reads what the folder's node trusts. A folder of a node that never was
// one of several may have none yet.
func (f *folder) loadTrust() (*trust, error) {
	path := filepath.Join(f.path, trustFile)
	raw, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		t, err := foundTrust(f.ClusterID, f.Name)
		if err != nil {
			return nil, err
		}
		return t, f.saveTrust(t)
	}
	if err != nil {
		return nil, explainFolder(f.path, err)
	}
	t := &trust{}
	if err := prefect.Unmarshal(raw, t); err != nil {
		return nil, damaged(path)
	}
	return t, nil
}

func (f *folder) saveTrust(t *trust) error { return f.save(trustFile, t) }

// save writes a JSON file of the folder.
func (f *folder) save(name string, v any) error {
	raw, err := prefect.Marshal(v)
	if err != nil {
		return err
	}
	if err := writeFile(filepath.Join(f.path, name), append(raw, '\n')); err != nil {
		return explainFolder(f.path, err)
	}
	return nil
}
