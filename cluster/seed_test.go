package cluster

import (
	"context"
	"log/slog"
	"net"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func parseSeed(t *testing.T, token string) *Seed {
	t.Helper()
	s, err := ParseSeed(token)
	require.NoError(t, err)
	return s
}

func TestSeedTokens(t *testing.T) {
	token := NewSeed()
	require.True(t, IsSeed(" "+token+"\n"))
	require.NotEqual(t, token, NewSeed())
	_, err := ParseToken(token)
	require.ErrorContains(t, err, "this is no token")
	authority, err := NewAuthority("c1")
	require.NoError(t, err)
	ordinary := NewToken(authority, make([]byte, 16)).String()
	require.False(t, IsSeed(ordinary))
	for _, bad := range []string{"", ordinary, token[:len(token)-1], strings.ToUpper(token)} {
		_, err := ParseSeed(bad)
		require.ErrorContains(t, err, "this is no seed token", bad)
	}
}

// Only those who have the same seed hear each other, and the listener outlives them.
func TestSeedIsProvenByBothEnds(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	token := NewSeed()
	for range 2 {
		var heard []string
		stop := parseSeed(t, token).Serve(l.(*net.TCPListener), slog.New(slog.DiscardHandler), func(_ context.Context, body []byte) ([]byte, error) {
			heard = append(heard, string(body))
			return append([]byte("not "), body...), nil
		})
		answer, err := parseSeed(t, token).Ask(t.Context(), l.Addr().String(), []byte("me"))
		require.NoError(t, err)
		require.Equal(t, "not me", string(answer))
		_, err = parseSeed(t, NewSeed()).Ask(t.Context(), l.Addr().String(), []byte("stranger"))
		require.ErrorContains(t, err, "was not started with this seed token")
		// Whoever does not look whom he speaks to is not heard either.
		careless := parseSeed(t, NewSeed()).client()
		careless.VerifyPeerCertificate = nil
		_, err = postJoin(t.Context(), l.Addr().String(), careless, []byte("stranger"))
		require.ErrorContains(t, err, "bad certificate")
		careless.Certificates = nil
		_, err = postJoin(t.Context(), l.Addr().String(), careless, []byte("stranger"))
		require.ErrorContains(t, err, "certificate required")
		stop()
		require.Equal(t, []string{"me"}, heard)
	}
}
