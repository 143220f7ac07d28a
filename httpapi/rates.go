package httpapi

import (
	"math"
	"net"
	"net/netip"
	"strconv"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"prefectd/ops"
)

// rates bounds how many requests a second each client address may send. The zero value
// bounds nothing.
type rates struct {
	perSecond float64

	mu      sync.Mutex
	clients map[netip.Addr]*rate.Limiter
}

// knownClients is how many addresses are remembered before those that rest are forgotten.
const knownClients = 10_000

// check refuses a request of an address that sends too many: 429, with the time after
// which there is room.
func (r *rates) check(from net.Addr) error {
	if r.perSecond <= 0 {
		return nil
	}
	tcp, ok := from.(*net.TCPAddr)
	if !ok {
		return nil // a test's own connection
	}
	addr, _ := netip.AddrFromSlice(tcp.IP)
	wait := r.wait(addr.Unmap())
	if wait == 0 {
		return nil
	}
	seconds := strconv.Itoa(int(math.Ceil(wait.Seconds())))
	return &ops.Error{Status: 429, Detail: "Too many requests", Headers: map[string]string{"Retry-After": seconds}}
}

// wait counts a request, and answers how long it came too early; then it does not count.
func (r *rates) wait(addr netip.Addr) time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.clients) >= knownClients {
		for known, l := range r.clients {
			if l.Tokens() >= float64(l.Burst()) {
				delete(r.clients, known)
			}
		}
	}
	l := r.clients[addr]
	if l == nil {
		if r.clients == nil {
			r.clients = map[netip.Addr]*rate.Limiter{}
		}
		l = rate.NewLimiter(rate.Limit(r.perSecond), burst(r.perSecond))
		r.clients[addr] = l
	}
	reservation := l.Reserve()
	delay := reservation.Delay()
	if delay > 0 {
		reservation.Cancel()
	}
	return delay
}

// burst is how many requests may come at once: those of two seconds.
func burst(perSecond float64) int { return max(1, int(2*perSecond)) }
