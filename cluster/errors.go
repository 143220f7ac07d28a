package cluster

import (
	"errors"
	"fmt"

	"github.com/hashicorp/raft"
)

// Errors that say nothing about an operation or query itself.
var (
	// ErrOverloaded: the queue is full and nothing was done.
	ErrOverloaded = errors.New("too many writes are waiting")
	// ErrClosed: the group is stopping and nothing was done.
	ErrClosed = errors.New("the server is stopping")
	// ErrNoLeader: this node does not lead the group and nothing was done.
	ErrNoLeader = errors.New("the group has no leader here")
	// ErrUnknownOutcome: the operation may or may not take place. Only one with an
	// id may be sent again.
	ErrUnknownOutcome = errors.New("the outcome of the write is unknown")

	// errRefused: the entry met another state than the one it was evaluated on.
	errRefused = errors.New("entry was evaluated on an older state")
)

// Unavailable reports whether an error says that nothing was done and that the
// same request may succeed a little later.
func Unavailable(err error) bool {
	return errors.Is(err, ErrOverloaded) || errors.Is(err, ErrClosed) || errors.Is(err, ErrNoLeader)
}

// unavailable is why this node takes no operation now.
func (g *Group) unavailable() error {
	select {
	case <-g.dead:
		return fmt.Errorf("%w: %w", ErrNoLeader, g.cause)
	default:
	}
	select {
	case <-g.closing:
		return ErrClosed
	default:
		return ErrNoLeader
	}
}

// outcome is what an error says about the entry that met it. After those that are
// listed it was never in a log; after any other it may be.
func outcome(err error) error {
	if errors.Is(err, ErrNoLeader) {
		return err
	}
	for _, before := range []error{raft.ErrNotLeader, raft.ErrLeadershipTransferInProgress, raft.ErrEnqueueTimeout} {
		if errors.Is(err, before) {
			return fmt.Errorf("%w: %w", ErrNoLeader, err)
		}
	}
	return fmt.Errorf("%w: %w", ErrUnknownOutcome, err)
}
