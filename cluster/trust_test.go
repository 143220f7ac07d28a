package cluster

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"testing"

	"github.com/hashicorp/raft"
	"github.com/stretchr/testify/require"
)

// newKey is a node's key, also as PEM.
func newKey(t *testing.T) (*ecdsa.PrivateKey, []byte) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	der, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	return key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
}

func TestOnlyNodesOfTheClusterAreKnown(t *testing.T) {
	ours, other := newTestAuthority(t), newTestAuthority(t)
	id, stranger := newIdentity(t, ours, "n1"), newIdentity(t, other, "n1")
	leaf, err := id.verify(newIdentity(t, ours, "n2").certificate.Certificate)
	require.NoError(t, err)
	require.Equal(t, "n2", leaf.Subject.CommonName)
	_, err = id.verify(stranger.certificate.Certificate)
	require.Error(t, err)
	_, err = id.verify(nil)
	require.Error(t, err)

	key, keyPEM := newKey(t)
	certificate, err := other.Issue("n1", key.Public())
	require.NoError(t, err)
	_, err = NewIdentity("n1", keyPEM, certificate, ours.Certificate())
	require.ErrorContains(t, err, "is not one of its cluster")
	certificate, err = ours.Issue("n2", key.Public())
	require.NoError(t, err)
	_, err = NewIdentity("n1", keyPEM, certificate, ours.Certificate())
	require.ErrorContains(t, err, "is not one of its cluster")
}

// A heartbeat takes the way beside Raft's main loop only if it changes no term there.
func TestHeartbeatsOfUnknownTermsGoThroughTheMainLoop(t *testing.T) {
	for _, test := range []struct {
		name        string
		beat, known uint64
		started     bool
		fast        bool
	}{
		{"known term", 5, 5, true, true},
		{"old term", 4, 5, true, true},
		{"newer term", 6, 5, true, false},
		{"before Raft has started", 5, 5, false, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			tr := &Transport{rpcs: make(chan raft.RPC, 1), done: make(chan struct{})}
			if test.started {
				tr.followTerm(func() uint64 { return test.known })
			}
			fast := false
			tr.heartbeat(raft.RPC{Command: &raft.AppendEntriesRequest{Term: test.beat}}, func(raft.RPC) { fast = true })
			require.Equal(t, test.fast, fast)
			require.Len(t, tr.rpcs, map[bool]int{true: 0, false: 1}[test.fast])
		})
	}
}
