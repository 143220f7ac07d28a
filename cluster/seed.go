package cluster

import (
	"context"
	"crypto/ed25519"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"
)

// Seed is a secret that nodes share before there is a cluster. It makes a key, which
// both ends of a connection prove that they have; so the secret itself is never sent,
// and nothing that the cluster trusts later follows from it.
type Seed struct{ certificate tls.Certificate }

const (
	seedPrefix = tokenPrefix + "seed-"
	seedLen    = 32
)

// NewSeed makes a seed token.
func NewSeed() string {
	secret := make([]byte, seedLen)
	rand.Read(secret) // never fails: it ends the program instead
	return sealToken(seedPrefix, secret)
}

// IsSeed tells seed tokens from those of a cluster.
func IsSeed(token string) bool { return strings.HasPrefix(strings.TrimSpace(token), seedPrefix) }

// ParseSeed reads what NewSeed made.
func ParseSeed(token string) (*Seed, error) {
	secret, ok := openToken(seedPrefix, token, seedLen)
	if !ok {
		return nil, errors.New("this is no seed token, or not the whole of it: make one with `prefectd token --new` and give it to all nodes")
	}
	derived, err := hkdf.Key(sha256.New, secret, nil, "prefectd seed", ed25519.SeedSize)
	if err != nil {
		return nil, fmt.Errorf("seed token: %w", err)
	}
	key := ed25519.NewKeyFromSeed(derived)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "prefectd seed"}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, fmt.Errorf("seed token: %w", err)
	}
	return &Seed{tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}}, nil
}

// errOtherSeed is an end of a connection that does not have the key.
var errOtherSeed = errors.New("it has another seed token")

// verify makes sure that the other end shows the same key. That it has it, TLS checks.
func (s *Seed) verify(raw [][]byte, _ [][]*x509.Certificate) error {
	if len(raw) == 0 {
		return errOtherSeed
	}
	certificate, err := x509.ParseCertificate(raw[0])
	if err != nil {
		return err
	}
	if key, ok := certificate.PublicKey.(ed25519.PublicKey); !ok || !key.Equal(s.certificate.PrivateKey.(ed25519.PrivateKey).Public()) {
		return errOtherSeed
	}
	return nil
}

func (s *Seed) client() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS13, NextProtos: []string{protocolSeed, protocolJoin},
		Certificates:          []tls.Certificate{s.certificate},
		InsecureSkipVerify:    true, // by the key instead
		VerifyPeerCertificate: s.verify,
	}
}

func (s *Seed) server() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS13, NextProtos: []string{protocolJoin},
		Certificates:           []tls.Certificate{s.certificate},
		ClientAuth:             tls.RequireAnyClientCert,
		VerifyPeerCertificate:  s.verify,
		SessionTicketsDisabled: true, // who resumes is not verified, and tickets are good for all protocols of a port
	}
}

// Ask sends something to a node that has the seed.
func (s *Seed) Ask(ctx context.Context, address string, body []byte) ([]byte, error) {
	answer, err := postJoin(ctx, address, s.client(), body)
	var refused *net.OpError
	if errors.Is(err, errOtherSeed) || errors.As(err, &refused) && refused.Op == "remote error" {
		return nil, fmt.Errorf("the node at %s was not started with this seed token: give all nodes the same --token", address)
	}
	return answer, err
}

// answerFunc answers what somebody sent who is not a member.
type answerFunc = func(ctx context.Context, body []byte) ([]byte, error)

// Serve answers others that have the seed, for a node that has no cluster yet. Once
// stop returns the listener can be used for something else.
func (s *Seed) Serve(l *net.TCPListener, log *slog.Logger, answer answerFunc) (stop func()) {
	server := &http.Server{
		ReadHeaderTimeout: handshakeTime,
		ErrorLog:          stdLogger(log),
		Handler:           http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { answerJoin(w, r, log, answer) }),
	}
	var running sync.WaitGroup
	running.Go(func() { server.Serve(tls.NewListener(lent{l}, s.server())) })
	return func() {
		ctx, cancel := context.WithTimeout(context.Background(), handshakeTime)
		defer cancel()
		if server.Shutdown(ctx) != nil {
			server.Close()
		}
		running.Wait()
		l.SetDeadline(time.Time{})
	}
}

// lent is a listener that stays open when who uses it closes it.
type lent struct{ *net.TCPListener }

// Close ends Accept.
func (l lent) Close() error { return l.SetDeadline(time.Now()) }

// seeded is who answers those that have the seed.
type seeded struct {
	seed   *Seed
	answer answerFunc
}

// HandleSeed answers those who have the seed, also when the node has a cluster.
func (n *Network) HandleSeed(s *Seed, answer func(ctx context.Context, body []byte) ([]byte, error)) {
	n.seeded.Store(&seeded{s, answer})
}
