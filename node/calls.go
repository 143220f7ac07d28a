package node

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"prefectd/cluster"
	"prefectd/ops"
	"prefectd/prefect"
	"prefectd/store"
)

// The calls that nodes make to each other.
const (
	callDo          = "do"           // an operation, by the group's leader
	callAsk         = "ask"          // a query, by one who holds the group
	callMark        = "mark"         // how far a replica has to be for a read
	callNews        = "news"         // how far the group's leader is
	callLeader      = "leader"       // who leads a group
	callSettle      = "settle"       // empty a group's outbox
	callReport      = "report"       // what a node is and holds
	callChange      = "change"       // a step of a plan, by the group's leader
	callKeep        = "keep"         // to go on leading a group for a while
	callWorkers     = "workers"      // the task workers that are connected to a node
	callTail        = "tail"         // what is written to a group, as it is
	callBackup      = "backup"       // a backup of all groups
	callBackupGroup = "backup-group" // the state of a group
)

// errCall is a call that this version does not understand.
var errCall = errors.New("the call is damaged, or of a newer version")

// parameters are what a call begins with: small numbers.
type parameters struct {
	data   []byte
	failed bool
}

func (p *parameters) uvarint() uint64 {
	v, n := binary.Uvarint(p.data)
	if n <= 0 {
		p.failed = true
		return 0
	}
	p.data = p.data[n:]
	return v
}

func encodeDo(group int, id cluster.OperationID, op ops.Operation) ([]byte, error) {
	body, err := ops.EncodeOperation(op)
	if err != nil {
		return nil, err
	}
	return append(append(binary.AppendUvarint(nil, uint64(group)), id[:]...), body...), nil
}

// at makes a call. That the other node is stopping means that nothing was done there.
func (b *backend) at(ctx context.Context, node, method string, body []byte) ([]byte, error) {
	answer, err := b.net.Call(ctx, node, method, body)
	if errors.Is(err, cluster.ErrClosed) {
		err = fmt.Errorf("%w: %s is stopping", cluster.ErrNoLeader, node)
	}
	return answer, err
}

func (b *backend) doAt(ctx context.Context, node string, body []byte, op ops.Operation) (any, error) {
	answer, err := b.at(ctx, node, callDo, body)
	if err != nil {
		return nil, err
	}
	return ops.DecodeAnswer(op, answer)
}

func (b *backend) askAt(ctx context.Context, node string, group int, q ops.Query) (any, error) {
	body, err := ops.EncodeQuery(q)
	if err != nil {
		return nil, err
	}
	head := binary.AppendUvarint(binary.AppendUvarint(nil, uint64(group)), uint64(ops.ReadsOf(ctx)))
	answer, err := b.at(ctx, node, callAsk, append(head, body...))
	if err != nil {
		return nil, err
	}
	return ops.DecodeAnswer(q, answer)
}

func (b *backend) markAt(ctx context.Context, node string, group int) (cluster.Mark, error) {
	answer, err := b.at(ctx, node, callMark, binary.AppendUvarint(nil, uint64(group)))
	if err != nil {
		return cluster.Mark{}, err
	}
	return cluster.DecodeMark(answer)
}

func (b *backend) settleAt(ctx context.Context, node string, group int) (delivered bool, err error) {
	answer, err := b.at(ctx, node, callSettle, binary.AppendUvarint(nil, uint64(group)))
	return bytes.Equal(answer, []byte{1}), err
}

// answerCalls takes the calls of other nodes.
func (n *Node) answerCalls() {
	for method, handle := range map[string]func(context.Context, *replica, *cluster.Call) error{
		callDo:          n.answerDo,
		callAsk:         n.answerAsk,
		callMark:        n.answerMark,
		callNews:        n.answerNews,
		callLeader:      n.answerLeader,
		callKeep:        n.answerKeep,
		callSettle:      n.answerSettle,
		callTail:        n.answerTail,
		callBackupGroup: n.answerBackupGroup,
	} {
		n.net.Handle(method, func(ctx context.Context, c *cluster.Call) error {
			r, err := n.replica(c)
			if err != nil {
				return err
			}
			return handle(ctx, r, c)
		})
	}
	n.net.Handle(callReport, n.answerReport)
	n.net.Handle(callChange, n.answerChange)
	n.net.Handle(callWorkers, n.answerWorkers)
	n.net.Handle(callBackup, n.answerBackup)
}

// replica is what a call is about: a group that this node holds.
type replica struct {
	number int
	*cluster.Group
	parameters // what else the call says
}

func (n *Node) replica(c *cluster.Call) (*replica, error) {
	r := &replica{parameters: parameters{data: c.Body}}
	r.number = int(min(r.uvarint(), maxRunGroups+1))
	if r.failed || r.number > n.layout.Runs {
		return nil, errCall
	}
	if r.Group = n.replicas.get(r.number); r.Group == nil {
		return nil, fmt.Errorf("%w: group %d is not held by %s", cluster.ErrNoLeader, r.number, n.name)
	}
	return r, nil
}

func (n *Node) answerDo(ctx context.Context, r *replica, c *cluster.Call) error {
	var id cluster.OperationID
	if copy(id[:], r.data) != len(id) {
		return errCall
	}
	op, err := ops.DecodeOperation(r.data[len(id):])
	if err != nil {
		return err
	}
	answer, err := r.SubmitOnce(ctx, id, op)
	if err != nil {
		return err
	}
	return reply(c, op, answer)
}

func reply(c *cluster.Call, request, answer any) error {
	body, err := ops.EncodeAnswer(request, answer)
	if err != nil {
		return err
	}
	_, err = c.Answer.Write(body)
	return err
}

func (n *Node) answerAsk(ctx context.Context, r *replica, c *cluster.Call) error {
	reads := ops.Reads(r.uvarint())
	if r.failed {
		return errCall
	}
	q, err := ops.DecodeQuery(r.data)
	if err != nil {
		return err
	}
	var answer any
	read := func(tx *store.Tx) error {
		answer, err = q.Read(tx, now())
		return err
	}
	if reads == ops.Stale {
		err = r.Stale(read)
	} else {
		err = r.View(ctx, read)
	}
	if err != nil {
		return err
	}
	return reply(c, q, answer)
}

func (n *Node) answerMark(ctx context.Context, r *replica, c *cluster.Call) error {
	mark, err := r.ReadMark(ctx)
	if err != nil {
		return err
	}
	_, err = c.Answer.Write(mark.Encode())
	return err
}

// answerNews has a replica apply what its leader has applied.
func (n *Node) answerNews(_ context.Context, r *replica, c *cluster.Call) error {
	mark, err := cluster.DecodeMark(r.data)
	if err != nil {
		return err
	}
	r.CatchUp(c.Node, mark)
	return nil
}

func (n *Node) answerLeader(_ context.Context, r *replica, c *cluster.Call) error {
	_, err := io.WriteString(c.Answer, r.Leader())
	return err
}

func (n *Node) answerSettle(ctx context.Context, r *replica, c *cluster.Call) error {
	if !r.Leads() {
		return cluster.ErrNoLeader
	}
	delivered, err := n.couriers[r.number].deliver(ctx)
	if err != nil {
		return err
	}
	answer := byte(0)
	if delivered {
		answer = 1
	}
	_, err = c.Answer.Write([]byte{answer})
	return err
}

// hear reads what a call says, as JSON.
func hear(c *cluster.Call, v any) error {
	if err := prefect.Unmarshal(c.Body, v); err != nil {
		return fmt.Errorf("%w: %w", errCall, err)
	}
	return nil
}

// tell answers a call with a value as JSON.
func tell(c *cluster.Call, v any) error {
	body, err := prefect.Marshal(v)
	if err != nil {
		return err
	}
	_, err = c.Answer.Write(body)
	return err
}

// ask makes a call whose answer is JSON.
func ask[A any](ctx context.Context, b *backend, node, method string, body []byte) (answer A, err error) {
	raw, err := b.at(ctx, node, method, body)
	if err != nil {
		return answer, err
	}
	if err := prefect.Unmarshal(raw, &answer); err != nil {
		return answer, fmt.Errorf("answer of %s to %q: %w", node, method, err)
	}
	return answer, nil
}
