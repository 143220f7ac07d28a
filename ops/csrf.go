package ops

import (
	"context"
	"crypto/subtle"

	"prefectd/prefect"
	"prefectd/store"
)

// Tokens against cross-site requests live in the coordination group, so that one that any
// node gave out is good at all of them.

// IssueCSRFToken gives a client a token in the place of the one that it has. Token is
// drawn by the caller, from a source that nobody can guess.
type IssueCSRFToken struct {
	Client string
	Token  string
	Lasts  prefect.Duration
}

// expiredTokens is how many tokens that have expired go with a new one.
const expiredTokens = 10

// Run answers the *prefect.CSRFToken.
func (o *IssueCSRFToken) Run(c *Context) (any, error) {
	old := 0
	for t := range store.CSRFTokensByExpiration.Rows(c.Tx, store.Range{To: store.Key{}.Time(c.Now)}) {
		store.CSRFTokens.Delete(c.Tx, store.CSRFTokens.Key(t))
		if old++; old == expiredTokens {
			break
		}
	}
	t := store.CSRFTokens.Get(c.Tx, store.Key{}.Name(o.Client))
	if t == nil {
		t = &prefect.CSRFToken{ID: c.freshID(), Created: c.Now, Client: o.Client}
	}
	t.Updated, t.Token, t.Expiration = c.Now, o.Token, c.Now.Add(o.Lasts)
	store.CSRFTokens.Put(c.Tx, t)
	return t, nil
}

// ReadCSRFToken reads the token of a client.
type ReadCSRFToken struct {
	Client string
}

// Read answers a *prefect.CSRFToken, nil if the client has none that is good.
func (q *ReadCSRFToken) Read(tx *store.Tx, now prefect.Time) (any, error) {
	t := store.CSRFTokens.Get(tx, store.Key{}.Name(q.Client))
	if t == nil || t.Expiration <= now {
		return (*prefect.CSRFToken)(nil), nil
	}
	return t, nil
}

// IsCSRFToken reports whether a token is that of a client. It looks at what the node has,
// and asks further only if that does not fit.
func IsCSRFToken(ctx context.Context, b Backend, client, token string) (bool, error) {
	for _, reads := range []Reads{Stale, Linearizable} {
		t, err := Ask[*prefect.CSRFToken](WithReads(ctx, reads), b, Coordination, &ReadCSRFToken{Client: client})
		if err != nil {
			return false, err
		}
		if t != nil && subtle.ConstantTimeCompare([]byte(t.Token), []byte(token)) == 1 {
			return true, nil
		}
	}
	return false, nil
}
