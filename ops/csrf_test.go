package ops

import (
	"testing"

	"github.com/stretchr/testify/require"

	"prefectd/prefect"
	"prefectd/store"
)

func TestCSRFTokens(t *testing.T) {
	c := newTestCluster(t, 1)
	issue := func(client, token string) {
		must[*prefect.CSRFToken](c, Coordination, &IssueCSRFToken{Client: client, Token: token, Lasts: prefect.Hour})
	}
	good := func(client, token string) bool {
		ok, err := IsCSRFToken(t.Context(), c, client, token)
		require.NoError(t, err)
		return ok
	}
	issue("a", "1")
	issue("b", "2")
	require.True(t, good("a", "1"))
	require.False(t, good("a", "2"))
	require.False(t, good("c", ""))
	issue("a", "3")
	require.False(t, good("a", "1"), "a new one takes its place")
	require.True(t, good("a", "3"))
	c.advance(prefect.Hour)
	require.False(t, good("a", "3"), "it has expired")
	issue("c", "4")
	require.Equal(t, 1, view(c, Coordination, func(tx *store.Tx) int { return store.CSRFTokens.Count(tx, store.Range{}) }), "what has expired goes")
}
