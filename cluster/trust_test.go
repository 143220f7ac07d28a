package cluster

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestAnAuthorityIsKept(t *testing.T) {
	made, err := NewAuthority("the cluster")
	require.NoError(t, err)
	kept, err := ParseAuthority(made.PEM())
	require.NoError(t, err)
	require.Equal(t, made.Certificate(), kept.Certificate())
	key, keyPEM := newKey(t)
	certificate, err := kept.Issue("n1", key.Public())
	require.NoError(t, err)
	_, err = NewIdentity("n1", keyPEM, certificate, made.Certificate())
	require.NoError(t, err)
	require.NotContains(t, string(made.Certificate()), "PRIVATE")
	for _, text := range []string{"", "nonsense", string(made.Certificate()), string(keyPEM)} {
		_, err := ParseAuthority([]byte(text))
		require.ErrorContains(t, err, "authority")
	}
}

func TestCertificatesHoldLong(t *testing.T) {
	s := newSite(t)
	id := s.identity("n1")
	leaf, err := x509.ParseCertificate(id.certificate.Certificate[0])
	require.NoError(t, err)
	require.Equal(t, "n1", leaf.Subject.CommonName)
	require.Equal(t, []string{"the cluster"}, leaf.Subject.Organization)
	require.WithinDuration(t, time.Now().AddDate(10, 0, 0), leaf.NotAfter, time.Hour)
	require.WithinDuration(t, time.Now().AddDate(20, 0, 0), s.authority.certificate.NotAfter, time.Hour)
}

// forge signs a certificate for a node as an authority would, but for what is changed.
func forge(t *testing.T, by *Authority, node string, change func(*x509.Certificate)) (keyPEM, certificate []byte) {
	key, keyPEM := newKey(t)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(2),
		Subject:      pkix.Name{CommonName: node, Organization: []string{"the cluster"}},
		NotBefore:    time.Now().AddDate(-1, 0, 0),
		NotAfter:     time.Now().AddDate(1, 0, 0),
	}
	change(template)
	der, err := x509.CreateCertificate(rand.Reader, template, by.certificate, key.Public(), by.key)
	require.NoError(t, err)
	return keyPEM, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

func expired(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Hour) }

func asItShould(*x509.Certificate) {}

func TestIdentitiesThatAreNone(t *testing.T) {
	ours, err := NewAuthority("the cluster")
	require.NoError(t, err)
	others, err := NewAuthority("the cluster")
	require.NoError(t, err)
	_, otherKey := newKey(t)
	key, certificate := forge(t, ours, "n1", asItShould)
	strangeKey, strange := forge(t, others, "n1", asItShould)
	oldKey, old := forge(t, ours, "n1", expired)
	cases := map[string]struct {
		key, certificate, authority []byte
		says                        string
	}{
		"as it should":       {key, certificate, ours.Certificate(), ""},
		"another's key":      {otherKey, certificate, ours.Certificate(), "private key does not match"},
		"of another cluster": {strangeKey, strange, ours.Certificate(), "unknown authority"},
		"expired":            {oldKey, old, ours.Certificate(), "expired"},
		"no PEM":             {key, certificate, []byte("x"), "no PEM"},
		"no certificate":     {key, key, ours.Certificate(), "certificate of node n1"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			_, err := NewIdentity("n1", c.key, c.certificate, c.authority)
			if c.says == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, c.says)
		})
	}
	_, err = NewIdentity("n2", key, certificate, ours.Certificate())
	require.ErrorContains(t, err, "it is the one of node n1")
}

func TestTokens(t *testing.T) {
	authority, err := NewAuthority("the cluster")
	require.NoError(t, err)
	token := NewToken(authority, []byte("sixteen letters!"))
	require.Equal(t, sha256.Sum256(authority.certificate.Raw), token.Fingerprint)
	read, err := ParseToken(" " + token.String() + "\n")
	require.NoError(t, err)
	require.Equal(t, token, read)

	text := Token{Fingerprint: [32]byte{1, 2, 3}, Secret: [16]byte{4, 5, 6}}.String()
	wrong := []string{"", text[:len(text)-1], text[1:], text + "A", strings.ToUpper(text), "prefectd-"}
	for i := len(tokenPrefix); i < len(text); i++ {
		wrong = append(wrong, text[:i]+string('A'+(text[i]-'A'+1)%26)+text[i+1:])
	}
	for _, w := range wrong {
		_, err := ParseToken(w)
		require.ErrorContains(t, err, "not the whole of it", w)
	}
}

// strange connects to a network as somebody would who is no member, and returns what
// comes of it.
func strange(t *testing.T, n *Network, config *tls.Config) error {
	config.InsecureSkipVerify = true
	conn, err := tls.Dial("tcp", n.Address(), config)
	if err != nil {
		return err
	}
	defer conn.Close()
	require.NoError(t, conn.SetDeadline(time.Now().Add(soon)))
	if conn.ConnectionState().NegotiatedProtocol == protocolRaft {
		if _, err := conn.Write([]byte{0, 1}); err != nil {
			return err
		}
	}
	_, err = io.ReadFull(conn, make([]byte, 1)) // with TLS 1.3 the client is done before it is looked at
	return err
}

func TestStrangersAreRefused(t *testing.T) {
	s := newSite(t)
	others, err := NewAuthority("the cluster")
	require.NoError(t, err)
	pair := func(by *Authority, change func(*x509.Certificate)) []tls.Certificate {
		key, certificate := forge(t, by, "n2", change)
		pair, err := tls.X509KeyPair(certificate, key)
		require.NoError(t, err)
		return []tls.Certificate{pair}
	}
	s.remove("removed")
	cases := map[string]struct {
		config  *tls.Config
		welcome bool
	}{
		"a member":              {&tls.Config{Certificates: pair(s.authority, asItShould)}, true},
		"of another cluster":    {&tls.Config{Certificates: pair(others, asItShould)}, false},
		"without a certificate": {&tls.Config{}, false},
		"expired":               {&tls.Config{Certificates: pair(s.authority, expired)}, false},
		"removed":               {&tls.Config{Certificates: pair(s.authority, func(c *x509.Certificate) { c.Subject.CommonName = "removed" })}, false},
		"of an older TLS":       {&tls.Config{Certificates: pair(s.authority, asItShould), MaxVersion: tls.VersionTLS12}, false},
	}
	for name, c := range cases {
		for _, protocols := range [][]string{{protocolRaft}, {protocolCalls}, {protocolCalls, protocolJoin}, {protocolJoin, protocolRaft}} {
			t.Run(name+" for "+strings.Join(protocols, " and "), func(t *testing.T) {
				log := &journal{}
				n := s.networkLogging("n1", log)
				transport := n.Transport(1, "n1")
				defer transport.Close()
				for range 3 {
					config := c.config.Clone()
					config.NextProtos = protocols
					err := strange(t, n, config)
					if c.welcome {
						require.NoError(t, err)
					} else {
						require.Error(t, err)
					}
				}
				if c.welcome {
					require.Zero(t, log.count("WARN"))
					return
				}
				eventually(t, func() bool { return log.count("level=WARN") == 1 }, "once")
				require.True(t, log.contains("from=127.0.0.1 "), "%v", log)
			})
		}
	}
}

// Who was a member cannot come back with what it kept of an old connection.
func TestConnectionsAreNotResumed(t *testing.T) {
	s := newSite(t)
	n := s.network("n1")
	key, certificate := forge(t, s.authority, "n2", asItShould)
	pair, err := tls.X509KeyPair(certificate, key)
	require.NoError(t, err)
	config := &tls.Config{
		Certificates: []tls.Certificate{pair}, NextProtos: []string{protocolCalls}, ClientSessionCache: tls.NewLRUClientSessionCache(10),
	}
	require.NoError(t, strange(t, n, config))
	s.remove("n2")
	require.Error(t, strange(t, n, config))
}

// Probes of a load balancer, or of somebody who looks for open ports.
func TestConnectionsThatSayNothing(t *testing.T) {
	s := newSite(t)
	log := &journal{}
	n := s.networkLogging("n1", log)
	n.Handle("echo", echo)
	for range 10 {
		conn, err := net.Dial("tcp", n.Address())
		require.NoError(t, err)
		require.NoError(t, conn.Close())
	}
	silent, err := net.Dial("tcp", n.Address())
	require.NoError(t, err)
	defer silent.Close()
	require.NoError(t, silent.SetReadDeadline(time.Now().Add(soon)))
	_, err = silent.Read(make([]byte, 1))
	require.ErrorIs(t, err, io.EOF, "it is not kept")
	_, err = n.Call(t.Context(), "n1", "echo", nil)
	require.NoError(t, err)
	require.LessOrEqual(t, log.count("level=WARN"), 1)
}
