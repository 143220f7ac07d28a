//go:build linux

package lab

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// Weather is how a host's packets fare. They stay in order.
type Weather struct {
	Delay  time.Duration
	Jitter time.Duration // up to that much more, at random
	Loss   float64       // how many of all are lost
}

// Wire is a bad line: what a host sends takes its way through this program, by two
// network devices that it serves. The kernel could do that (netem), but many kernels
// are built without it.
type Wire struct {
	lab     *Lab
	host    *Host
	weather Weather
	in, out *os.File // what the host sends, and what gets through
	wait    sync.WaitGroup
}

// packet is on its way.
type packet struct {
	due  time.Time
	data []byte
}

// Spoil gives a host a bad line for all that it sends, until it is closed. A host
// has one at a time.
func (l *Lab) Spoil(h *Host, w Weather, random *rand.Rand) (*Wire, error) {
	wire := &Wire{lab: l, host: h, weather: w}
	var err error
	if wire.in, err = openTun("in-" + h.Name); err != nil {
		return nil, err
	}
	if wire.out, err = openTun("out-" + h.Name); err != nil {
		return nil, errors.Join(err, wire.in.Close())
	}
	err = run(
		"link set out-"+h.Name+" up",
		"link set in-"+h.Name+" netns "+h.Name,
		"-n "+h.Name+" link set in-"+h.Name+" up",
		"-n "+h.Name+" route add "+subnet+"0/25 dev in-"+h.Name+" src "+h.Address, // narrower than the way over eth0
	)
	if err != nil {
		return nil, errors.Join(err, wire.in.Close(), wire.out.Close())
	}
	l.mu.Lock()
	l.wires[wire] = struct{}{}
	l.mu.Unlock()
	queue := make(chan packet, 10_000)
	wire.wait.Go(func() { wire.take(queue, random) })
	wire.wait.Go(func() { wire.give(queue) })
	return wire, nil
}

// Close gives the host its good line back. What is on its way is lost.
func (w *Wire) Close() error {
	w.lab.mu.Lock()
	delete(w.lab.wires, w)
	w.lab.mu.Unlock()
	err := errors.Join(w.in.Close(), w.out.Close()) // and the devices with them
	w.wait.Wait()
	return err
}

const mtu = 1500

func (w *Wire) take(queue chan<- packet, random *rand.Rand) {
	defer close(queue)
	var last time.Time
	for {
		data := make([]byte, mtu)
		n, err := w.in.Read(data)
		if err != nil {
			return
		}
		if n < 20 || data[0]>>4 != 4 || random.Float64() < w.weather.Loss || !w.lab.lets(w.host, destination(data)) {
			continue
		}
		due := time.Now().Add(w.weather.Delay)
		if w.weather.Jitter > 0 {
			due = due.Add(time.Duration(random.Int64N(int64(w.weather.Jitter))))
		}
		if due.Before(last) {
			due = last
		}
		last = due
		select {
		case queue <- packet{due, data[:n]}:
		default: // as a router does that has no room
		}
	}
}

// destination reads where an IPv4 packet goes.
func destination(p []byte) string { return netip.AddrFrom4([4]byte(p[16:20])).String() }

func (w *Wire) give(queue <-chan packet) {
	for p := range queue {
		time.Sleep(time.Until(p.due))
		w.out.Write(p.data) // fails once the wire is closed
	}
}

// openTun makes a network device whose packets are read and written by this
// program; it goes when the file is closed.
func openTun(name string) (*os.File, error) {
	fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("/dev/net/tun: %w", err)
	}
	request, err := unix.NewIfreq(name)
	if err == nil {
		request.SetUint16(unix.IFF_TUN | unix.IFF_NO_PI)
		err = unix.IoctlIfreq(fd, unix.TUNSETIFF, request)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("device %s: %w", name, err), unix.Close(fd))
	}
	return os.NewFile(uintptr(fd), name), nil
}
