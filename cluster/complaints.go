package cluster

import (
	"errors"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync"
	"syscall"
	"time"
)

// complaints are what is wrong between nodes, said once a minute of each.
type complaints struct {
	mu   sync.Mutex
	last map[string]time.Time // by whom it is about
}

const (
	complaintTime = time.Minute
	maxComplaints = 1000 // that are remembered
)

// due reports whether something may be said again.
func (c *complaints) due(about string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	if said, ok := c.last[about]; ok && now.Sub(said) < complaintTime {
		return false
	}
	if c.last == nil || len(c.last) >= maxComplaints {
		c.last = map[string]time.Time{}
	}
	c.last[about] = now
	return true
}

// turnedAway tells of somebody who was not admitted.
func (n *Network) turnedAway(conn net.Conn, err error) {
	from, _, splitErr := net.SplitHostPort(conn.RemoteAddr().String())
	if splitErr != nil {
		from = conn.RemoteAddr().String()
	}
	level := slog.LevelWarn
	switch {
	case errors.Is(err, errNotHeld), // a replica that is being opened or closed
		errors.Is(err, io.EOF), errors.Is(err, syscall.ECONNRESET), // a probe whether the port is open
		n.ctx.Err() != nil, !n.complaints.due("from " + from):
		level = slog.LevelDebug
	}
	n.log.Log(n.ctx, level, "connection was refused", "from", from, "err", err)
}

// refused tells that another node does not know this one.
func (n *Network) refused(node string) {
	if n.complaints.due("by " + node) {
		n.log.Warn("other nodes refuse this one: it was removed from the cluster, or another took its name; to have it join, empty its data folder", "by", node)
	}
}

// isAlert reports whether the other end ended a connection because of something, or of
// anything.
func isAlert(err error, about string) bool {
	var alert *net.OpError // as package tls has it; its alerts have no type that is exported
	return errors.As(err, &alert) && alert.Op == "remote error" && strings.Contains(alert.Err.Error(), about)
}
