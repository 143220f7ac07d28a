package cluster

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// nowhere is a directory that knows nobody.
type nowhere struct{}

func (nowhere) Address(string) (string, error) { return "", errors.New("unknown") }

func (nowhere) Superseded(string, time.Time) bool { return false }

// texts keep errors as texts.
type texts struct{}

func (texts) EncodeError(err error) []byte { return []byte(err.Error()) }

func (texts) DecodeError(data []byte) error { return errors.New(string(data)) }

func newIdentity(t *testing.T, a *Authority, name string) *Identity {
	key, pem := newKey(t)
	certificate, err := a.Issue(name, key.Public())
	require.NoError(t, err)
	id, err := NewIdentity(name, pem, certificate, a.Certificate())
	require.NoError(t, err)
	return id
}

func newTestAuthority(t *testing.T) *Authority {
	a, err := NewAuthority("c1")
	require.NoError(t, err)
	again, err := ParseAuthority(a.PEM())
	require.NoError(t, err)
	require.Equal(t, a.Certificate(), again.Certificate())
	return again
}

func TestJoining(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	a := newTestAuthority(t)
	n := NewNetwork(listener, newIdentity(t, a, "n1"), nowhere{}, texts{}, slog.New(slog.DiscardHandler))
	defer func() { require.NoError(t, n.Close()) }()
	token, err := ParseToken(NewToken(a, []byte("0123456789abcdef")).String())
	require.NoError(t, err)
	ask := func(address string, token Token) (string, error) {
		answer, err := RequestJoin(t.Context(), address, token, []byte("please"))
		return string(answer), err
	}
	_, err = ask(n.Address(), token)
	require.ErrorContains(t, err, "the node has just been started: try again")

	n.HandleJoin(func(_ context.Context, body []byte) ([]byte, error) {
		if string(body) != "please" {
			return nil, errors.New("what?")
		}
		return []byte("welcome"), nil
	})
	answer, err := ask(n.Address(), token)
	require.NoError(t, err)
	require.Equal(t, "welcome", answer)

	web := httptest.NewServer(http.NotFoundHandler())
	defer web.Close()
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, closed.Close())
	for message, where := range map[string]struct {
		address string
		token   Token
	}{
		"listens something else":               {web.Listener.Addr().String(), token},
		"nobody listens at":                    {closed.Addr().String(), token},
		"is of another cluster than the token": {n.Address(), NewToken(newTestAuthority(t), nil)},
	} {
		_, err := ask(where.address, where.token)
		require.ErrorContains(t, err, message)
		require.NotContains(t, err.Error(), "\n")
	}
	n.HandleJoin(func(context.Context, []byte) ([]byte, error) { return nil, errors.New("not you") })
	_, err = ask(n.Address(), token)
	require.ErrorContains(t, err, "does not admit this node: not you")
}

func TestTokens(t *testing.T) {
	whole := NewToken(newTestAuthority(t), []byte("0123456789abcdef")).String()
	for _, text := range []string{"", "prefectd-", whole[:len(whole)-1], whole[9:], whole + "x", "x" + whole} {
		_, err := ParseToken(text)
		require.ErrorContains(t, err, "this is no token, or not the whole of it", text)
	}
	_, err := ParseToken(" " + whole + "\n")
	require.NoError(t, err)
}
