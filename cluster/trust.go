package cluster

import (
	"bytes"
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"time"
)

// How long certificates hold. Nodes renew nothing by themselves, and a cluster should
// not stop on a day that nobody remembers, so that is longer than machines last.
const (
	authorityYears = 20
	nodeYears      = 10
)

// Authority signs the certificates by which the nodes of one cluster know each other.
type Authority struct {
	certificate *x509.Certificate
	key         ed25519.PrivateKey
}

// authorityName is the name in the certificate of every cluster's authority.
const authorityName = "prefectd cluster"

// NewAuthority makes the authority of a cluster.
func NewAuthority(clusterID string) (*Authority, error) {
	seed := make([]byte, ed25519.SeedSize)
	rand.Read(seed) // never fails: it ends the program instead
	return authorityOf(clusterID, seed, time.Now())
}

func authorityOf(clusterID string, seed []byte, from time.Time) (*Authority, error) {
	key := ed25519.NewKeyFromSeed(seed)
	template := &x509.Certificate{
		SerialNumber:          big.NewInt(1),
		Subject:               pkix.Name{CommonName: authorityName, Organization: []string{clusterID}},
		NotBefore:             from.Add(-time.Hour), // clocks differ
		NotAfter:              from.AddDate(authorityYears, 0, 0),
		IsCA:                  true,
		BasicConstraintsValid: true,
		MaxPathLenZero:        true,
		KeyUsage:              x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, fmt.Errorf("make authority: %w", err)
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("make authority: %w", err)
	}
	return &Authority{certificate, key}, nil
}

// PEM is the authority with its key, for ParseAuthority.
func (a *Authority) PEM() []byte {
	key, err := x509.MarshalPKCS8PrivateKey(a.key)
	if err != nil {
		panic(err) // it is a key of a known kind
	}
	return append(a.Certificate(), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key})...)
}

// Certificate is the authority's certificate as PEM, which is no secret.
func (a *Authority) Certificate() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.certificate.Raw})
}

// ParseAuthority reads what PEM made.
func ParseAuthority(text []byte) (*Authority, error) {
	block, rest := pem.Decode(text)
	keyBlock, _ := pem.Decode(rest)
	if block == nil || keyBlock == nil {
		return nil, errors.New("the authority is no PEM of a certificate and its key")
	}
	certificate, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("authority: %w", err)
	}
	key, err := x509.ParsePKCS8PrivateKey(keyBlock.Bytes)
	if err != nil {
		return nil, fmt.Errorf("authority: %w", err)
	}
	signer, ok := key.(ed25519.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("authority: its key is a %T", key)
	}
	return &Authority{certificate, signer}, nil
}

// Issue signs for a node's key. The certificate, as PEM, names the node and the cluster.
func (a *Authority) Issue(node string, key crypto.PublicKey) ([]byte, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, fmt.Errorf("issue certificate: %w", err)
	}
	now := time.Now()
	template := &x509.Certificate{
		SerialNumber: serial,
		Subject:      pkix.Name{CommonName: node, Organization: a.certificate.Subject.Organization},
		NotBefore:    now.Add(-time.Hour),
		NotAfter:     now.AddDate(nodeYears, 0, 0),
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.certificate, key, a.key)
	if err != nil {
		return nil, fmt.Errorf("issue certificate: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), nil
}

// Identity is what a node proves itself with, and whom it trusts.
type Identity struct {
	name        string
	certificate tls.Certificate
	authority   *x509.Certificate
	roots       *x509.CertPool
	issued      time.Time
}

// NewIdentity puts together a node's key and certificate and the authority's
// certificate, all of them PEM.
func NewIdentity(name string, key, certificate, authority []byte) (*Identity, error) {
	pair, err := tls.X509KeyPair(certificate, key)
	if err != nil {
		return nil, fmt.Errorf("certificate of node %s: %w", name, err)
	}
	block, _ := pem.Decode(authority)
	if block == nil {
		return nil, errors.New("the authority's certificate is no PEM")
	}
	root, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("authority's certificate: %w", err)
	}
	pair.Certificate = append(pair.Certificate, root.Raw) // who joins has to see it
	id := &Identity{name: name, certificate: pair, authority: root, roots: x509.NewCertPool()}
	id.roots.AddCert(root)
	leaf, err := id.verify(pair.Certificate)
	if err != nil {
		return nil, fmt.Errorf("certificate of node %s: %w", name, err)
	}
	if leaf.Subject.CommonName != name {
		return nil, fmt.Errorf("certificate of node %s: it is the one of node %s", name, leaf.Subject.CommonName)
	}
	id.issued = leaf.NotBefore
	return id, nil
}

// Issued is when the node was admitted: a later node of the same name has a later
// certificate.
func (id *Identity) Issued() time.Time { return id.issued }

// IssuedAt reads when a certificate, PEM, was issued.
func IssuedAt(certificate []byte) (time.Time, error) {
	block, _ := pem.Decode(certificate)
	if block == nil {
		return time.Time{}, errors.New("the certificate is no PEM")
	}
	c, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return time.Time{}, err
	}
	return c.NotBefore, nil
}

// verify checks a peer's certificates and answers the one of the node.
func (id *Identity) verify(raw [][]byte) (*x509.Certificate, error) {
	if len(raw) == 0 {
		return nil, errors.New("it has no certificate")
	}
	certificate, err := x509.ParseCertificate(raw[0])
	if err != nil {
		return nil, err
	}
	_, err = certificate.Verify(x509.VerifyOptions{Roots: id.roots, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}})
	return certificate, err
}

// The protocols that connections between nodes are for.
const (
	protocolRaft  = "prefectd-raft"
	protocolCalls = "h2"
	protocolJoin  = "http/1.1"      // of those who have no certificate yet
	protocolSeed  = "prefectd-seed" // offered by those who show the seed's: then it is the former
)

// peer checks the certificates of a node, and that it still is one.
func (n *Network) peer(raw [][]byte) (name string, err error) {
	certificate, err := n.identity.verify(raw)
	if err != nil {
		return "", err
	}
	name = certificate.Subject.CommonName
	if n.directory.Superseded(name, certificate.NotBefore) {
		return "", fmt.Errorf("this node %s was removed from the cluster, or replaced by another of its name", name)
	}
	return name, nil
}

// clientConfig is the configuration of connections to a node.
func (n *Network) clientConfig(node, protocol string) *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS13, NextProtos: []string{protocol},
		Certificates: []tls.Certificate{n.identity.certificate},
		// Certificates name nodes, which may be anywhere, so the usual check of the
		// host's name is not what is wanted.
		InsecureSkipVerify: true,
		VerifyPeerCertificate: func(raw [][]byte, _ [][]*x509.Certificate) error {
			got, err := n.peer(raw)
			if err != nil {
				return fmt.Errorf("the node at the address of %s is not the one of this cluster: %w", node, err)
			}
			if got != node {
				return fmt.Errorf("node %s answers at the address of %s", got, node)
			}
			return nil
		},
	}
}

// serverConfig is the configuration of connections from nodes, and from those who want
// to be one.
func (n *Network) serverConfig() *tls.Config {
	base := &tls.Config{
		MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{n.identity.certificate},
		NextProtos: []string{protocolRaft, protocolCalls},
		ClientAuth: tls.RequireAnyClientCert,
		// A session that is resumed would not be looked at: see Superseded.
		SessionTicketsDisabled: true,
		VerifyPeerCertificate: func(raw [][]byte, _ [][]*x509.Certificate) error {
			_, err := n.peer(raw)
			return err
		},
	}
	join := &tls.Config{MinVersion: tls.VersionTLS13, Certificates: base.Certificates, NextProtos: []string{protocolJoin}}
	choose := base.Clone()
	choose.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		if len(hello.SupportedProtos) == 1 && hello.SupportedProtos[0] == protocolJoin {
			return join, nil
		}
		if s := n.seeded.Load(); s != nil && slices.Contains(hello.SupportedProtos, protocolSeed) {
			return s.seed.server(), nil
		}
		return base, nil
	}
	return choose
}

// Token lets a node join: by the fingerprint it knows the cluster, by the secret the
// cluster knows that it may.
type Token struct {
	Fingerprint [sha256.Size]byte // of the authority's certificate
	Secret      [16]byte
}

const tokenPrefix = "prefectd-"

// NewToken makes a token of a cluster.
func NewToken(a *Authority, secret []byte) (t Token) {
	t.Fingerprint = sha256.Sum256(a.certificate.Raw)
	copy(t.Secret[:], secret)
	return t
}

// String is the token as it is handed on.
func (t Token) String() string {
	return sealToken(tokenPrefix, append(t.Fingerprint[:], t.Secret[:]...))
}

// ParseToken reads a token.
func ParseToken(text string) (t Token, err error) {
	body, ok := openToken(tokenPrefix, text, len(t.Fingerprint)+len(t.Secret))
	if !ok {
		return t, errors.New("this is no token, or not the whole of it: copy what `prefectd token` prints on a member")
	}
	copy(t.Fingerprint[:], body)
	copy(t.Secret[:], body[len(t.Fingerprint):])
	return t, nil
}

// sealToken is a token of some kind as text.
func sealToken(prefix string, body []byte) string {
	return prefix + base64.RawURLEncoding.EncodeToString(append(body, tokenSum(body)...))
}

// openToken answers what sealToken was given.
func openToken(prefix, text string, size int) (body []byte, ok bool) {
	encoded, ok := strings.CutPrefix(strings.TrimSpace(text), prefix)
	body, err := base64.RawURLEncoding.DecodeString(encoded)
	if !ok || err != nil || len(body) != size+2 || !bytes.Equal(body[size:], tokenSum(body[:size])) {
		return nil, false
	}
	return body[:size], true
}

// tokenSum recognises a token that was not copied as a whole.
func tokenSum(body []byte) []byte {
	sum := sha256.Sum256(body)
	return sum[:2]
}
