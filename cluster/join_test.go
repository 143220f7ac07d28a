package cluster

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestJoinCalls(t *testing.T) {
	s := newSite(t)
	n := s.network("n1")
	token := NewToken(s.authority, []byte("sixteen letters!"))
	_, err := RequestJoin(t.Context(), n.Address(), token, nil)
	require.ErrorContains(t, err, "try again")

	n.HandleJoin(func(_ context.Context, body []byte) ([]byte, error) {
		switch string(body) {
		case "panic":
			panic("boom")
		case "wrong":
			return nil, errors.New("the secret of the token is not the one of this cluster")
		}
		return append([]byte("welcome, "), body...), nil
	})
	answer, err := RequestJoin(t.Context(), n.Address(), token, []byte("n2"))
	require.NoError(t, err)
	require.Equal(t, "welcome, n2", string(answer))
	_, err = RequestJoin(t.Context(), n.Address(), token, []byte("wrong"))
	require.EqualError(t, err, n.Address()+" does not admit this node: the secret of the token is not the one of this cluster")
	_, err = RequestJoin(t.Context(), n.Address(), token, []byte("panic"))
	require.ErrorContains(t, err, "does not admit")
	_, err = RequestJoin(t.Context(), n.Address(), token, make([]byte, maxApplication+1))
	require.ErrorContains(t, err, "too large")
}

func TestJoinsThatReachNoMember(t *testing.T) {
	s := newSite(t)
	token := NewToken(s.authority, []byte("sixteen letters!"))
	other := newSite(t).network("n1")
	plain := httptest.NewServer(http.NotFoundHandler())
	defer plain.Close()
	secure := httptest.NewUnstartedServer(http.NotFoundHandler())
	secure.Config.ErrorLog = stdLogger(slog.New(slog.DiscardHandler))
	secure.StartTLS()
	defer secure.Close()
	hasty, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer hasty.Close()
	go func() {
		for {
			conn, err := hasty.Accept()
			if err != nil {
				return
			}
			conn.Close()
		}
	}()
	cases := map[string]struct{ address, says string }{
		"nobody listens":        {local(freePort(t)), "nobody listens at"},
		"another cluster":       {other.Address(), "is of another cluster than the token: get a token"},
		"plain HTTP":            {plain.Listener.Addr().String(), "listens something else: name the address"},
		"HTTPS":                 {secure.Listener.Addr().String(), "listens something else: name the address"},
		"closes at once":        {hasty.Addr().String(), "listens something else: name the address"},
		"says nothing":          {mute(t), "no answer from"},
		"no address":            {"127.0.0.1", "no address of a node"},
		"no port that could be": {"127.0.0.1:123456", "no address of a node"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
			if name != "says nothing" {
				cancel()
				ctx, cancel = context.WithTimeout(t.Context(), time.Minute)
			}
			defer cancel()
			_, err := RequestJoin(ctx, c.address, token, nil)
			require.ErrorContains(t, err, c.says)
			require.ErrorContains(t, err, c.address)
			require.Equal(t, 1, len(strings.Split(err.Error(), "\n")))
		})
	}
}
