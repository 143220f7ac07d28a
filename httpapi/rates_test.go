package httpapi

import (
	"net"
	"net/netip"
	"strconv"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"prefectd/ops"
)

func TestRatesOfClients(t *testing.T) {
	slow := &rates{perSecond: 0.5}
	first, second := &net.TCPAddr{IP: net.IPv4(10, 0, 0, 1)}, &net.TCPAddr{IP: net.IPv4(10, 0, 0, 2)}
	require.NoError(t, slow.check(first))
	err := slow.check(first)
	var refusal *ops.Error
	require.ErrorAs(t, err, &refusal)
	require.Equal(t, 429, refusal.Status)
	seconds, err := strconv.Atoi(refusal.Headers["Retry-After"])
	require.NoError(t, err)
	require.Equal(t, 2, seconds)
	require.NoError(t, slow.check(second), "each has its own")
	require.NoError(t, (&rates{}).check(first))
	require.NoError(t, (&rates{}).check(first))
}

// However many addresses come, not all are remembered.
func TestRatesForget(t *testing.T) {
	fast := &rates{perSecond: 1e9}
	for i := range 3 * knownClients {
		fast.wait(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}))
	}
	require.LessOrEqual(t, len(fast.clients), knownClients+1)
}

// What is more than a server can do at once is refused, and can be sent again.
func TestRequestsAtOnce(t *testing.T) {
	entered, release := make(chan struct{}, 1), make(chan struct{})
	s := serveRoutes(t, Config{MaxRequests: 1}, route{Method: "GET", Path: "/slow", Kind: read, Handle: func(c *call) error {
		entered <- struct{}{}
		<-release
		return c.reply(200, true)
	}})
	var wait sync.WaitGroup
	wait.Go(func() { require.Equal(t, 200, s.do("GET", "/api/slow", "").status) })
	<-entered
	got := s.do("GET", "/api/hello", "")
	require.Equal(t, 503, got.status)
	require.NotEmpty(t, got.header.Get("Retry-After"))
	close(release)
	wait.Wait()
	require.Equal(t, 200, s.do("GET", "/api/hello", "").status)
}
