package ops

import (
	"fmt"

	"prefectd/prefect"
	"prefectd/store"
)

// Send notes an operation for another group in this group's outbox: it is
// delivered once this entry is durable, exactly once and in order per group.
func (c *Context) Send(group int, op Operation) error {
	sent, err := theWire().encode(op)
	if err != nil {
		return err
	}
	m := store.Message{Group: group, Kind: sent.Kind, Body: sent.Body, Sent: c.Now, Sequence: 1}
	prefix := store.Key{}.Uint64(uint64(group))
	if mark := store.OutboxMarks.Get(c.Tx, prefix); mark != nil {
		m.Sequence = mark.Sequence + 1
	}
	if last := store.Outbox.LastKey(c.Tx, store.Range{Prefix: prefix}); last != nil {
		m.Sequence = last.Uint64At(8) + 1
	}
	store.Outbox.Put(c.Tx, &m)
	return nil
}

// runOrSend runs an operation here if this is its group, else sends it there.
func (c *Context) runOrSend(group int, op Operation) error {
	if group != c.Group {
		return c.Send(group, op)
	}
	_, err := op.Run(c)
	return err
}

// Deliver runs messages in the group that they are for. Those of one group come
// in order; one that was taken before is skipped.
type Deliver struct {
	From     int
	Messages []store.Message
}

// Run answers the refusals, one per message that had one. A message that this
// group refuses counts as taken, because it would be refused for ever.
func (d *Deliver) Run(c *Context) (any, error) {
	inbox := store.Key{}.Uint64(uint64(d.From))
	mark := store.Inbox.Get(c.Tx, inbox)
	if mark == nil {
		mark = &store.Received{Group: d.From}
	}
	var refusals []error
	for _, m := range d.Messages {
		if m.Sequence <= mark.Sequence {
			continue
		}
		request, err := theWire().decode(message{m.Kind, m.Body})
		if err != nil {
			return nil, err
		}
		op, ok := request.(Operation)
		if !ok {
			return nil, fmt.Errorf("message %d of group %d is no operation but a %s", m.Sequence, d.From, m.Kind)
		}
		before := c.Tx.Savepoint()
		if _, err := op.Run(c); err != nil {
			c.Tx.Rollback(before)
			refusals = append(refusals, fmt.Errorf("%s: %w", m.Kind, err))
		}
		mark.Sequence = m.Sequence
	}
	store.Inbox.Put(c.Tx, mark)
	return refusals, nil
}

// Delivered removes the messages for a group up to one that it has taken.
type Delivered struct {
	Group    int
	Sequence uint64
}

// Run removes the messages and notes how far they went.
func (d *Delivered) Run(c *Context) (any, error) {
	prefix := store.Key{}.Uint64(uint64(d.Group))
	for m := range store.Outbox.Rows(c.Tx, store.Range{Prefix: prefix}) {
		if m.Sequence > d.Sequence {
			break
		}
		store.Outbox.Delete(c.Tx, store.Outbox.Key(m))
	}
	store.OutboxMarks.Put(c.Tx, &store.Received{Group: d.Group, Sequence: d.Sequence})
	return nil, nil
}

// Waiting reads the messages that a group has yet to deliver.
type Waiting struct {
	Limit int
}

// Read answers a []store.Message, those for one group in order.
func (w *Waiting) Read(tx *store.Tx, _ prefect.Time) (any, error) {
	var list []store.Message
	for m := range store.Outbox.Rows(tx, store.Range{}) {
		if list = append(list, *m); len(list) >= w.Limit {
			break
		}
	}
	return list, nil
}
