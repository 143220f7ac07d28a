package httpapi

import (
	"context"
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/valyala/fasthttp/fasthttputil"

	"prefectd/ops"
	"prefectd/prefect"
)

// tokens is a backend that keeps tokens by client.
type tokens struct {
	stub
	good map[string]*prefect.CSRFToken
}

func (b *tokens) Do(_ context.Context, _ int, op ops.Operation) (any, error) {
	issue := op.(*ops.IssueCSRFToken)
	b.good[issue.Client] = &prefect.CSRFToken{Client: issue.Client, Token: issue.Token}
	return b.good[issue.Client], nil
}

func (b *tokens) Ask(_ context.Context, _ int, q ops.Query) (any, error) {
	return b.good[q.(*ops.ReadCSRFToken).Client], nil
}

func TestCSRF(t *testing.T) {
	l := fasthttputil.NewInmemoryListener()
	change := route{Method: "POST", Path: "/change", Kind: write, Handle: func(c *call) error { return c.reply(200, true) }}
	look := route{Method: "GET", Path: "/look", Kind: read, Handle: func(c *call) error { return c.reply(200, true) }}
	b := &tokens{good: map[string]*prefect.CSRFToken{}}
	s := serveOn(t, l, l.Dial, b, Config{CSRF: CSRF{Enabled: true}}, []route{change, look}, nil)

	require.Equal(t, 200, s.do("GET", "/api/look", "").status)
	issued := s.do("GET", "/api/csrf-token?client=me", "")
	require.Equal(t, 200, issued.status)
	var token prefect.CSRFToken
	require.NoError(t, json.Unmarshal([]byte(issued.body), &token))
	require.Regexp(t, "^[0-9a-f]{64}$", token.Token)
	for _, test := range []struct {
		headers []string
		status  int
		body    string
	}{
		{nil, 403, `{"detail":"Missing CSRF token."}`},
		{[]string{"Prefect-Csrf-Token: " + token.Token}, 403, `{"detail":"Missing client identifier."}`},
		{[]string{"Prefect-Csrf-Token: x", "Prefect-Csrf-Client: me"}, 403, `{"detail":"Invalid CSRF token or client identifier."}`},
		{[]string{"Prefect-Csrf-Token: " + token.Token, "Prefect-Csrf-Client: you"}, 403, `{"detail":"Invalid CSRF token or client identifier."}`},
		{[]string{"Prefect-Csrf-Token: " + token.Token, "Prefect-Csrf-Client: me"}, 200, `true`},
	} {
		got := s.do("POST", "/api/change", "", test.headers...)
		require.Equal(t, test.status, got.status, test.headers)
		require.Equal(t, test.body, got.body)
	}
}
