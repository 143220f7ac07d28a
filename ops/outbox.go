package ops

import (
	"fmt"

	"prefectd/prefect"
	"prefectd/store"
)

// Send notes an operation for another group in this group's outbox: it is
// delivered once this entry is durable, exactly once and in order per group.
func (c *Context) Send(group int, op Operation) error {
	kind := kindOf(op)
	if kind == "" {
		return fmt.Errorf("operation %T cannot be sent", op)
	}
	body, err := prefect.Marshal(op)
	if err != nil {
		return fmt.Errorf("encode %s: %w", kind, err)
	}
	m := store.Message{Group: group, Kind: kind, Body: body, Sent: c.Now, Sequence: 1}
	prefix := store.Key{}.Uint64(uint64(group))
	sent := store.Outbox.Last(c.Tx, store.Range{Prefix: prefix})
	if mark := store.OutboxMarks.Get(c.Tx, prefix); mark != nil {
		m.Sequence = mark.Sequence + 1
	}
	if sent != nil && sent.Sequence >= m.Sequence {
		m.Sequence = sent.Sequence + 1
	}
	store.Outbox.Put(c.Tx, &m)
	return nil
}

// Deliver runs a message in the group that it is for. Messages of one group
// come in order; one that was taken before is skipped.
type Deliver struct {
	From    int
	Message store.Message
}

// Run takes the message. One that this group refuses counts as taken, because it
// would be refused for ever; the refusal is the answer.
func (d *Deliver) Run(c *Context) (any, error) {
	key := store.Key{}.Uint64(uint64(d.From))
	if mark := store.Inbox.Get(c.Tx, key); mark != nil && d.Message.Sequence <= mark.Sequence {
		return nil, nil
	}
	op, err := newOperation(d.Message.Kind)
	if err != nil {
		return nil, err
	}
	if err := prefect.Unmarshal(d.Message.Body, op); err != nil {
		return nil, fmt.Errorf("decode %s: %w", d.Message.Kind, err)
	}
	before := c.Tx.Savepoint()
	_, refusal := op.Run(c)
	if refusal != nil {
		c.Tx.Rollback(before)
	}
	store.Inbox.Put(c.Tx, &store.Received{Group: d.From, Sequence: d.Message.Sequence})
	return refusal, nil
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
