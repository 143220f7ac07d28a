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
	"log/slog"
	"net"
	"net/http"
	"strings"
	"syscall"
	"time"
)

// Bounds of what somebody without a certificate can send.
const (
	maxApplication  = 64 << 10
	applicationTime = 5 * time.Second
)

// joinServer takes the applications of those who want to be members, and the questions
// of those who have the seed.
func (n *Network) joinServer() *http.Server {
	return &http.Server{
		BaseContext: func(net.Listener) context.Context { return n.ctx },
		ReadTimeout: applicationTime,
		ErrorLog:    stdLogger(n.log),
		Handler:     n.awaited(n.serveJoin),
	}
}

func (n *Network) serveJoin(w http.ResponseWriter, r *http.Request) {
	answerJoin(w, r, n.log, func(ctx context.Context, body []byte) (answer []byte, err error) {
		respond := n.joining.Load()
		if len(r.TLS.PeerCertificates) > 0 { // only the seed's is asked for
			respond = &n.seeded.Load().answer
		}
		if respond == nil {
			return nil, errors.New("the node has just been started: try again")
		}
		err = n.protect(func() (err error) {
			answer, err = (*respond)(ctx, body)
			return err
		})
		return answer, err
	})
}

// answerJoin answers a request of somebody who is not a member.
func answerJoin(w http.ResponseWriter, r *http.Request, log *slog.Logger, respond answerFunc) {
	body, err := readBounded(r.Body, r.ContentLength, maxApplication)
	var answer []byte
	if err == nil {
		answer, err = respond(r.Context(), body)
	}
	if err != nil {
		log.Warn("node was not admitted", "from", r.RemoteAddr, "err", err)
		http.Error(w, err.Error(), http.StatusForbidden)
		return
	}
	w.Write(answer)
}

// HandleJoin answers those who want to join; what they send and get is the caller's
// matter.
func (n *Network) HandleJoin(admit func(ctx context.Context, body []byte) ([]byte, error)) {
	n.joining.Store(&admit)
}

// RequestJoin sends an application to a member, after making sure that it is of the
// cluster that the token is of. Its errors say what to do.
func RequestJoin(ctx context.Context, address string, t Token, body []byte) ([]byte, error) {
	return postJoin(ctx, address, &tls.Config{
		MinVersion: tls.VersionTLS13, NextProtos: []string{protocolJoin},
		InsecureSkipVerify:    true, // by the fingerprint instead
		VerifyPeerCertificate: func(chain [][]byte, _ [][]*x509.Certificate) error { return t.verify(chain) },
	}, body)
}

// postJoin sends something to a node that this one is no fellow member of.
func postJoin(ctx context.Context, address string, config *tls.Config, body []byte) ([]byte, error) {
	transport := &http.Transport{DialTLSContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return dialMember(ctx, address, config)
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

// What listens where a member was looked for.
var (
	errOtherCluster = errors.New("the token is of another cluster")
	errNoMember     = errors.New("it is no member of a cluster")
)

func dialMember(ctx context.Context, address string, config *tls.Config) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, dialTime+handshakeTime)
	defer cancel()
	raw, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	conn := tls.Client(raw, config)
	if err := conn.HandshakeContext(ctx); err != nil {
		conn.Close()
		var notTLS tls.RecordHeaderError
		if errors.As(err, &notTLS) || errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) || isAlert(err, "") {
			return nil, errNoMember
		}
		return nil, err
	}
	return conn, nil
}

// verify makes sure that certificates are those of a node of the token's cluster.
func (t Token) verify(chain [][]byte) error {
	if len(chain) != 2 {
		return errNoMember
	}
	root, err := x509.ParseCertificate(chain[1])
	if err != nil {
		return err
	}
	if root.Subject.CommonName != authorityName {
		return errNoMember
	}
	if sha256.Sum256(chain[1]) != t.Fingerprint {
		return errOtherCluster
	}
	id := Identity{roots: x509.NewCertPool()}
	id.roots.AddCert(root)
	_, err = id.verify(chain)
	return err
}

// explainJoin says what to do about a member that was not reached.
func explainJoin(address string, err error) error {
	const theAddress = "name the address that a running member has for other nodes (its --cluster-port, 4201 by default)"
	var wrong *net.AddrError
	var timeout net.Error
	switch {
	case errors.Is(err, errOtherCluster):
		return fmt.Errorf("the node at %s is of another cluster than the token: get a token with `prefectd token` on its machine", address)
	case errors.Is(err, errNoMember):
		return fmt.Errorf("at %s listens something else: %s", address, theAddress)
	case errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Errorf("nobody listens at %s: %s", address, theAddress)
	case errors.As(err, &wrong):
		return fmt.Errorf("%s is no address of a node (%s): %s", address, wrong.Err, theAddress)
	case errors.As(err, &timeout) && timeout.Timeout():
		return fmt.Errorf("no answer from %s: is that the address of a member, and can this machine reach it?", address)
	}
	return fmt.Errorf("join at %s: %w", address, err)
}
