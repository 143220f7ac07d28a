package node

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"slices"
	"sync"
	"time"

	"prefectd/cluster"
	"prefectd/fsm"
	"prefectd/store"
)

// tails hand on what is written to the groups of this node to nodes that do not hold
// them.
type tails struct {
	mu  sync.Mutex
	all map[*tail]struct{}
}

// tail is one node that follows one group.
type tail struct {
	group   int
	entries chan []byte // closed when it is too slow, or the state was replaced
}

// tailLength is how many entries a follower may be behind.
const tailLength = 256

// streamed are the tables that somebody follows.
var streamed = []byte{store.Events.Number(), store.Logs.Number(), store.TaskQueue.Number()}

// observe hands an entry of a group to its followers. One that cannot take it has to
// begin anew.
func (t *tails) observe(group int, changes []store.Change) {
	t.mu.Lock()
	defer t.mu.Unlock()
	var entry []byte
	for follower := range t.all {
		if follower.group != group {
			continue
		}
		if changes == nil {
			t.drop(follower)
			continue
		}
		if entry == nil {
			wanted := slices.DeleteFunc(slices.Clone(changes), func(c store.Change) bool { return !slices.Contains(streamed, c.Table) })
			if len(wanted) == 0 {
				return
			}
			entry = (&fsm.Entry{Changes: wanted}).Encode()
		}
		select {
		case follower.entries <- entry:
		default:
			t.drop(follower)
		}
	}
}

// drop ends a follower. The caller holds the lock.
func (t *tails) drop(follower *tail) {
	if _, there := t.all[follower]; there {
		delete(t.all, follower)
		close(follower.entries)
	}
}

func (t *tails) add(group int) *tail {
	t.mu.Lock()
	defer t.mu.Unlock()
	follower := &tail{group: group, entries: make(chan []byte, tailLength)}
	if t.all == nil {
		t.all = map[*tail]struct{}{}
	}
	t.all[follower] = struct{}{}
	return follower
}

func (t *tails) remove(follower *tail) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.drop(follower)
}

// answerTail streams the entries of a group, each with its length before it.
func (n *Node) answerTail(ctx context.Context, r *replica, c *cluster.Call) error {
	follower := n.tails.add(r.number)
	defer n.tails.remove(follower)
	next := []byte{0} // an empty entry: from here on
	for {
		if _, err := c.Answer.Write(next); err != nil {
			return err
		}
		if err := c.Flush(); err != nil {
			return err
		}
		select {
		case entry, ok := <-follower.entries:
			if !ok {
				return nil
			}
			next = append(binary.AppendUvarint(nil, uint64(len(entry))), entry...)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// tailPause is how long it takes until a stream that ended is taken up again.
const tailPause = 500 * time.Millisecond

// followGroup brings what is written to a group that this node does not hold to those
// who listen here.
func (n *Node) followGroup(ctx context.Context, group int) {
	for ctx.Err() == nil {
		if n.replicas.get(group) == nil && n.hub.Listening() {
			if err := n.tailGroup(ctx, group); err != nil && ctx.Err() == nil {
				n.log.Debug("stream of a group is taken up again", "group", group, "err", err)
			}
			n.hub.Replaced(group) // what was written meanwhile is to be looked for
		}
		select {
		case <-ctx.Done():
		case <-time.After(tailPause):
		}
	}
}

// tailGroup follows a group on one of its holders, for as long as that answers, and
// as anybody listens.
func (n *Node) tailGroup(ctx context.Context, group int) error {
	holders, err := n.holders(group)
	if err != nil {
		return err
	}
	err = cluster.ErrNoLeader
	for _, node := range holders {
		var stream io.ReadCloser
		if stream, err = n.net.Stream(ctx, node, callTail, binary.AppendUvarint(nil, uint64(group))); err == nil {
			return errors.Join(n.readTail(group, stream), stream.Close())
		}
	}
	return err
}

// maxTailEntry bounds what a damaged stream can make this node allocate.
const maxTailEntry = 256 << 20

func (n *Node) readTail(group int, stream io.Reader) error {
	in := bufio.NewReader(stream)
	for n.replicas.get(group) == nil && n.hub.Listening() {
		size, err := binary.ReadUvarint(in)
		if err != nil {
			return err
		}
		if size > maxTailEntry {
			return errCall
		}
		if size == 0 {
			n.hub.Replaced(group) // those who came before may have missed something
			continue
		}
		entry := make([]byte, size)
		if _, err := io.ReadFull(in, entry); err != nil {
			return err
		}
		e, err := fsm.Decode(entry)
		if err != nil {
			return err
		}
		n.hub.Observe(group, e.Changes)
	}
	return nil
}
