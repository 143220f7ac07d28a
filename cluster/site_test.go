package cluster

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// site is a cluster's nodes, all in this process, with real connections.
type site struct {
	t         testing.TB
	authority *Authority

	mu        sync.Mutex
	addresses map[string]string
	removed   map[string]bool
}

func newSite(t testing.TB) *site {
	authority, err := NewAuthority("the cluster")
	require.NoError(t, err)
	return &site{t: t, authority: authority, addresses: map[string]string{}, removed: map[string]bool{}}
}

func (s *site) Address(node string) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if address, known := s.addresses[node]; known {
		return address, nil
	}
	return "", fmt.Errorf("node %s is not known", node)
}

func (s *site) Superseded(node string, _ time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.removed[node]
}

// moved has a node found at another address.
func (s *site) moved(node, address string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.addresses[node] = address
}

func (s *site) remove(node string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.removed[node] = true
}

// newKey is a node's key, also as PEM.
func newKey(t testing.TB) (*ecdsa.PrivateKey, []byte) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	der, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	return key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
}

func (s *site) identity(node string) *Identity {
	key, keyPEM := newKey(s.t)
	certificate, err := s.authority.Issue(node, key.Public())
	require.NoError(s.t, err)
	id, err := NewIdentity(node, keyPEM, certificate, s.authority.Certificate())
	require.NoError(s.t, err)
	return id
}

// network starts a node's network. It ends with the test unless it did before.
func (s *site) network(node string) *Network { return s.networkLogging(node, io.Discard) }

func (s *site) networkLogging(node string, log io.Writer) *Network {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(s.t, err)
	n := NewNetwork(l, s.identity(node), s, exactErrors{}, slog.New(slog.NewTextHandler(log, nil)))
	s.t.Cleanup(func() { n.Close() })
	s.moved(node, n.Address())
	return n
}

// exactError is an error that only the codec knows.
type exactError struct {
	Status int
	Detail string
}

func (e *exactError) Error() string { return e.Detail }

type exactErrors struct{}

func (exactErrors) EncodeError(err error) []byte {
	var exact *exactError
	if !errors.As(err, &exact) {
		exact = &exactError{Detail: err.Error()}
	}
	data, err := json.Marshal(exact)
	if err != nil {
		panic(err)
	}
	return data
}

func (exactErrors) DecodeError(data []byte) error {
	exact := &exactError{}
	if err := json.Unmarshal(data, exact); err != nil {
		return err
	}
	return exact
}

// echo answers with what it is asked.
func echo(_ context.Context, c *Call) error {
	_, err := c.Answer.Write(c.Body)
	return err
}
