package cluster

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
)

// maxApplication bounds what somebody without a certificate can send.
const maxApplication = 64 << 10

// joinServer takes the applications of those who want to be members.
func (n *Network) joinServer() *http.Server {
	return &http.Server{
		BaseContext:       func(net.Listener) context.Context { return n.ctx },
		ReadHeaderTimeout: handshakeTime,
		ErrorLog:          stdLogger(n.log),
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			admit := n.admit.Load()
			body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxApplication))
			if err == nil && admit == nil {
				err = errors.New("the node has just been started: try again")
			}
			var answer []byte
			if err == nil {
				err = n.protect(func() (err error) {
					answer, err = (*admit)(r.Context(), body)
					return err
				})
			}
			if err != nil {
				n.log.Warn("node was not admitted", "from", r.RemoteAddr, "err", err)
				http.Error(w, err.Error(), http.StatusForbidden)
				return
			}
			w.Write(answer)
		}),
	}
}

// HandleJoin answers those who want to join; what they send and get is the caller's
// matter.
func (n *Network) HandleJoin(admit func(ctx context.Context, body []byte) ([]byte, error)) {
	n.admit.Store(&admit)
}

// RequestJoin sends an application to a member, after making sure that it is of the
// cluster that the token is of. Its errors say what to do.
func RequestJoin(ctx context.Context, address string, t Token, body []byte) ([]byte, error) {
	transport := &http.Transport{DialTLSContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return dialMember(ctx, address, t)
	}}
	defer transport.CloseIdleConnections()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "https://member/join", bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("join at %s: %w", address, err)
	}
	resp, err := (&http.Client{Transport: transport}).Do(r)
	if err != nil {
		return nil, explainJoin(address, err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	switch {
	case err != nil:
		return nil, fmt.Errorf("join at %s: %w", address, err)
	case resp.StatusCode != http.StatusOK:
		return nil, fmt.Errorf("%s does not admit this node: %s", address, strings.TrimSpace(string(answer)))
	}
	return answer, nil
}

// Members that are none.
var (
	errOtherCluster = errors.New("the token is of another cluster")
	errNoTLS        = errors.New("it does not speak TLS")
)

func dialMember(ctx context.Context, address string, t Token) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, dialTime+handshakeTime)
	defer cancel()
	raw, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	conn := tls.Client(raw, &tls.Config{
		MinVersion: tls.VersionTLS13, NextProtos: []string{protocolJoin},
		InsecureSkipVerify:    true, // by the fingerprint instead
		VerifyPeerCertificate: func(chain [][]byte, _ [][]*x509.Certificate) error { return t.verify(chain) },
	})
	if err := conn.HandshakeContext(ctx); err != nil {
		conn.Close()
		var header tls.RecordHeaderError
		if errors.As(err, &header) { // which package http would turn into a text
			return nil, errNoTLS
		}
		return nil, err
	}
	return conn, nil
}

// verify makes sure that certificates are those of a node of the token's cluster.
func (t Token) verify(chain [][]byte) error {
	if len(chain) != 2 || sha256.Sum256(chain[1]) != t.Fingerprint {
		return errOtherCluster
	}
	root, err := x509.ParseCertificate(chain[1])
	if err != nil {
		return err
	}
	id := Identity{roots: x509.NewCertPool()}
	id.roots.AddCert(root)
	_, err = id.verify(chain)
	return err
}

// explainJoin says what to do about a member that was not reached.
func explainJoin(address string, err error) error {
	var timeout net.Error
	switch {
	case errors.Is(err, errOtherCluster):
		return fmt.Errorf("the node at %s is of another cluster than the token: get a token with `prefectd token` on its machine", address)
	case errors.Is(err, errNoTLS), errors.Is(err, io.EOF):
		return fmt.Errorf("at %s listens something else: name the address that a member has for other nodes (its --cluster-port, 4201 by default)", address)
	case errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Errorf("nobody listens at %s: name the address that a running member has for other nodes (its --cluster-port, 4201 by default)", address)
	case errors.As(err, &timeout) && timeout.Timeout():
		return fmt.Errorf("no answer from %s: is that the address of a member, and can this machine reach it?", address)
	}
	return fmt.Errorf("join at %s: %w", address, err)
}
