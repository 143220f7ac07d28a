//go:build linux

package lab

import (
	"errors"
	"fmt"
	"sync"

	"prefectd/test/proc"
)

// Lab is a network of hosts. This program sits at the bridge and reaches all of
// them, whatever is cut between them.
type Lab struct {
	Hosts []*Host

	mu    sync.Mutex
	cuts  map[path]int // how many cuts a path has
	wires map[*Wire]struct{}
}

// Host is a network namespace.
type Host struct {
	Name    string // of the namespace
	Address string // IPv4, in the lab
}

// path is a way that packets take.
type path struct{ from, to *Host }

const (
	bridge = "bridge"
	subnet = "10.77.0." // nobody outside the lab sees it
	hub    = subnet + "1"
)

// furnished says, once, what came of furnishing.
var furnished = sync.OnceValue(furnish)

// New makes a network of n hosts; one at a time.
func New(n int) (*Lab, error) {
	if !Inside() {
		return nil, ErrImpossible
	}
	if err := furnished(); err != nil {
		return nil, err
	}
	l := &Lab{cuts: map[path]int{}, wires: map[*Wire]struct{}{}}
	if err := l.build(n); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}

func (l *Lab) build(n int) error {
	if err := run(
		"link add "+bridge+" type bridge",
		"addr add "+hub+"/24 dev "+bridge,
		"link set "+bridge+" up",
	); err != nil {
		return err
	}
	for i := range n {
		h := &Host{Name: fmt.Sprintf("n%d", i+1), Address: fmt.Sprintf("%s%d", subnet, 11+i)}
		if err := ip("netns add %s", h.Name); err != nil {
			return err
		}
		l.Hosts = append(l.Hosts, h)
		if err := run(
			"link add to-"+h.Name+" type veth peer name eth0 netns "+h.Name,
			"link set to-"+h.Name+" master "+bridge+" up",
			"-n "+h.Name+" addr add "+h.Address+"/24 dev eth0",
			"-n "+h.Name+" link set lo up",
			"-n "+h.Name+" link set eth0 up",
		); err != nil {
			return err
		}
	}
	return nil
}

func run(commands ...string) error {
	for _, c := range commands {
		if err := ip("%s", c); err != nil {
			return err
		}
	}
	return nil
}

// Close removes the network. Nothing may run on its hosts any more.
func (l *Lab) Close() error {
	var errs []error
	for w := range l.wires {
		errs = append(errs, w.Close())
	}
	for _, h := range l.Hosts { // a namespace alone is removed some time later
		errs = append(errs, ip("link del to-%s", h.Name), ip("netns del %s", h.Name))
	}
	return errors.Join(append(errs, ip("link del %s", bridge))...)
}

// Command makes a command run on the host.
func (h *Host) Command(c proc.Command) proc.Command {
	c.Args = append([]string{"netns", "exec", h.Name, c.Path}, c.Args...)
	c.Path = "ip"
	return c
}

// Cut makes what one host sends to another disappear, without a word to either,
// until Mend was called as often.
func (l *Lab) Cut(from, to *Host) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	p := path{from, to}
	if l.cuts[p]++; l.cuts[p] > 1 {
		return nil
	}
	// A hardware address that nobody has.
	return ip("-n %s neigh replace %s lladdr 02:00:00:00:00:01 dev eth0 nud permanent", from.Name, to.Address)
}

// Mend takes back a Cut.
func (l *Lab) Mend(from, to *Host) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	p := path{from, to}
	if l.cuts[p]--; l.cuts[p] > 0 {
		return nil
	}
	delete(l.cuts, p)
	return ip("-n %s neigh del %s dev eth0", from.Name, to.Address)
}

// lets reports whether a packet of a host gets to an address.
func (l *Lab) lets(from *Host, address string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for p := range l.cuts {
		if p.from == from && p.to.Address == address {
			return false
		}
	}
	return true
}
