package node

import (
	"errors"
	"fmt"
	"net"
	"strconv"
	"syscall"

	"prefectd/cluster"
)

// listen takes the port for other nodes, and says where they find this one.
func (n *Node) listen() (net.Listener, error) {
	c := &n.config
	listener, err := c.take(c.ClusterPort, "--cluster-port")
	if err != nil {
		return nil, err
	}
	gossip, err := c.reserve()
	if err != nil {
		return nil, errors.Join(err, listener.Close())
	}
	host := reachable(c.Host)
	n.gossipAddress = net.JoinHostPort(host, strconv.Itoa(gossip))
	n.peer = cluster.Peer{
		Name: c.name(), Cluster: net.JoinHostPort(host, strconv.Itoa(portOf(listener.Addr()))),
		API: c.API, Version: c.Version, Level: n.level(),
	}
	return listener, nil
}

// take takes a port; that nobody asked for one that is in use is no reason not to
// run.
func (c *Config) take(port int, flag string) (net.Listener, error) {
	l, err := net.Listen("tcp", net.JoinHostPort(c.Host, strconv.Itoa(port)))
	switch {
	case errors.Is(err, syscall.EADDRINUSE) && c.Solitary:
		c.Log.Warn("the default port is in use: another one is taken", "flag", flag, "port", port)
		l, err = net.Listen("tcp", net.JoinHostPort(c.Host, "0"))
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, fmt.Errorf("port %d is in use on %s: stop the program that has it, or choose another with %s", port, c.Host, flag)
	}
	if err != nil {
		return nil, fmt.Errorf("cannot listen for other nodes on %s port %d: %w", c.Host, port, err)
	}
	return l, nil
}

// reserve finds out which port gossip can have; it takes it a moment later, when it
// has its key.
func (c *Config) reserve() (int, error) {
	l, err := c.take(c.GossipPort, "--gossip-port")
	if err != nil {
		return 0, err
	}
	return portOf(l.Addr()), l.Close()
}

func portOf(a net.Addr) int { return a.(*net.TCPAddr).Port }

// reachable is the address at which others reach a host that listens on all of its
// addresses: the first that is not its own only.
func reachable(host string) string {
	if ip := net.ParseIP(host); host != "" && (ip == nil || !ip.IsUnspecified()) {
		return host
	}
	addresses, err := net.InterfaceAddrs()
	if err != nil {
		return "127.0.0.1"
	}
	for _, a := range addresses {
		if ipn, ok := a.(*net.IPNet); ok && ipn.IP.IsGlobalUnicast() {
			return ipn.IP.String()
		}
	}
	return "127.0.0.1"
}

// startGossip begins to tell the others where this node is.
func (n *Node) startGossip() (err error) {
	host, port, err := net.SplitHostPort(n.gossipAddress)
	if err != nil {
		return err
	}
	number, err := strconv.Atoi(port)
	if err != nil {
		return err
	}
	n.gossip, err = cluster.StartGossip(cluster.GossipConfig{
		Self: n.peer, Host: n.config.Host, Port: number, Advertise: host, Key: n.trust.GossipKey,
		Seeds: n.directory.seeds, Log: n.log,
		Changed: func(peers []cluster.Peer) { n.directory.heard(peers) },
	})
	return err
}
