package httpapi

import (
	"errors"
	"slices"
	"time"

	"prefectd/ops"
	"prefectd/prefect"
)

func workerChannels() []channel {
	return []channel{{
		Path: "/work_pools/{work_pool_name}/workers/connect", Handle: converseWithWorker, Modern: true, AuthReason: "authentication_failed",
		Doc: "Takes a worker's heartbeats, and tells it of changes of its pool and of what to clean up.",
	}}
}

// Waits of a worker's channel.
const (
	// gatherChanges is how long changes of a pool are gathered before they are told.
	gatherChanges = 50 * time.Millisecond
	// lookForCleanups is how often a worker that has room is looked for something to
	// do, in case that another one's lease has ended.
	lookForCleanups = 5 * time.Second
)

// workerChannel is a conversation with a worker.
type workerChannel struct {
	*socket
	hello    *workerHello
	pool     prefect.ID
	queues   []prefect.ID
	shown    *prefect.WorkPool // as it was told last
	sequence int
	inHand   map[string]prefect.Time // the messages that the worker has, by their tokens: when its leases end
}

// converseWithWorker lets a worker in and serves it until it leaves.
func converseWithWorker(s *socket) error {
	first, err := s.receive()
	if err != nil {
		return err
	}
	w := &workerChannel{socket: s, inHand: map[string]prefect.Time{}}
	if err := w.welcome(first); err != nil {
		return err
	}
	return w.serve()
}

// welcome takes the hello and answers it.
func (w *workerChannel) welcome(first []byte) error {
	frame, err := decodeFrame[workerHello](first)
	hello := &frame.Payload
	switch {
	case err != nil || frame.Type != "worker.hello.v1" || !hello.isSound():
		return errChannelProtocol
	case !slices.Contains(hello.Versions, channelVersion):
		return errChannelVersion
	}
	welcome, err := ops.Do[*ops.Welcome](w.ctx, w.backend, ops.Coordination, &ops.WelcomeWorker{
		Pool: w.param("work_pool_name"), Worker: hello.Worker, Interval: hello.Interval, Queues: hello.Queues,
		Type: hello.WorkerType, Create: hello.Create, Template: hello.Template,
	})
	if err != nil {
		return w.refused(err)
	}
	w.hello, w.pool = hello, welcome.Pool.ID
	queues := channelQueues(welcome.Queues)
	for _, q := range queues {
		w.queues = append(w.queues, q.ID)
	}
	if w.shown, err = w.read(); err != nil {
		return err
	}
	w.sequence = 1
	accepted, rejected := hello.granted()
	return tell(w.socket, "worker.ready.v1", workerReady{
		ConsumerID: hello.ConsumerID, Version: channelVersion, Interval: hello.Interval, Accepted: accepted, Rejected: rejected,
		MaxCleanups: hello.cleanups(), Queues: queues, Snapshot: poolSnapshot{w.sequence, "initial", w.shown},
	})
}

// refused says why a worker is not let in: a pool or queue that is not there or not its
// to make, a template that will not do, or trouble here.
func (w *workerChannel) refused(err error) error {
	var refusal *ops.Error
	if errors.As(err, &refusal) {
		switch refusal.Status {
		case 403, 404:
			return errChannelRefused
		case 422:
			return errChannelProtocol
		}
	}
	return w.trouble("worker could not be let in", err)
}

// trouble ends the conversation in a way that has the worker come again.
func (w *workerChannel) trouble(what string, err error) error {
	w.log.Warn(what, "err", err)
	return errChannelTrouble
}

// read reads the worker's pool; one that is gone ends the conversation.
func (w *workerChannel) read() (*prefect.WorkPool, error) {
	pools, err := ops.ListWorkPools(w.ctx, w.backend, &ops.FindWorkPools{
		Filter: &prefect.WorkPoolFilter{ID: &prefect.FilterID{Any: []prefect.ID{w.pool}}}, Window: ops.Window{Limit: 1},
	})
	switch {
	case err != nil:
		return nil, w.trouble("work pool could not be read", err)
	case len(pools) == 0:
		return nil, errChannelRefused
	}
	return pools[0], nil
}

// serve tells what is new and takes what the worker says, until it leaves.
func (w *workerChannel) serve() error {
	messages, why := w.messages()
	again := time.NewTicker(lookForCleanups)
	defer again.Stop()
	gathered := time.NewTimer(0)
	defer gathered.Stop()
	changed := w.backend.Streams().NextWork()
	for {
		var err error
		select {
		case <-changed:
			changed = w.backend.Streams().NextWork()
			gathered.Reset(gatherChanges)
		case <-gathered.C:
			if err = w.tellChanges(); err == nil {
				err = w.deliver()
			}
		case <-again.C:
			err = w.deliver()
		case message, ok := <-messages:
			if !ok {
				return *why
			}
			err = w.take(message)
		}
		if err != nil {
			return err
		}
	}
}

// messages are what the worker says; why tells, when there are no more, what receive
// failed with.
func (s *socket) messages() (said <-chan []byte, why *error) {
	out, why := make(chan []byte), new(error)
	s.others.Go(func() {
		defer close(out)
		for {
			message, err := s.receive()
			if err != nil {
				*why = err
				return
			}
			select {
			case out <- message:
			case <-s.finished:
				*why = errBroken
				return
			}
		}
	})
	return out, why
}

// tellChanges sends the pool if something changed that matters to workers.
func (w *workerChannel) tellChanges() error {
	pool, err := w.read()
	if err != nil || isAlike(pool, w.shown) {
		return err
	}
	return w.show(pool, "work_pool_updated")
}

// show sends the pool.
func (w *workerChannel) show(pool *prefect.WorkPool, reason string) error {
	w.shown = pool
	w.sequence++
	return tell(w.socket, "work_pool.snapshot.v1", poolSnapshot{w.sequence, reason, pool})
}

// isAlike reports whether a pool is the same in what workers are told at once.
func isAlike(a, b *prefect.WorkPool) bool {
	same := func(a, b prefect.JSON) bool { return string(a) == string(b) }
	as, bs := &a.StorageConfiguration, &b.StorageConfiguration
	return a.IsPaused == b.IsPaused && equal(a.ConcurrencyLimit, b.ConcurrencyLimit) && same(a.BaseJobTemplate, b.BaseJobTemplate) &&
		same(as.BundleUploadStep, bs.BundleUploadStep) && same(as.BundleExecutionStep, bs.BundleExecutionStep) &&
		as.DefaultResultStorageBlockID == bs.DefaultResultStorageBlockID
}

func equal(a, b *int) bool { return a == nil && b == nil || a != nil && b != nil && *a == *b }

// take does what the worker says.
func (w *workerChannel) take(message []byte) error {
	switch frameType(message) {
	case "worker.heartbeat.v1":
		return w.takeHeartbeat(message)
	case "cleanup.ack.v1":
		return w.takeAnswer(message, ops.AckCleanup)
	case "cleanup.renew.v1":
		return w.takeAnswer(message, ops.RenewCleanup)
	case "cleanup.release.v1":
		f, err := decodeFrame[cleanupRelease](message)
		if err != nil {
			return err
		}
		return w.settle(f.ID, f.Payload.MessageID, f.Payload.Token, ops.ReleaseCleanup)
	}
	return errChannelProtocol
}

// takeHeartbeat notes the sign, and tells the pool if anything of it changed.
func (w *workerChannel) takeHeartbeat(message []byte) error {
	f, err := decodeFrame[channelHeartbeat](message)
	if err != nil || f.Payload.ConsumerID != w.hello.ConsumerID || f.Payload.Worker != w.hello.Worker {
		return errChannelProtocol
	}
	_, err = w.backend.Do(w.ctx, ops.Coordination, &ops.RecordHeartbeat{
		Pool: w.param("work_pool_name"), Worker: f.Payload.Worker, Interval: &f.Payload.Interval,
	})
	if err != nil {
		w.log.Warn("heartbeat could not be stored", "err", err)
		return errNoHeartbeat
	}
	pool, err := w.read()
	if err != nil || pool.Updated == w.shown.Updated {
		return err
	}
	return w.show(pool, "heartbeat_reconciliation")
}

func (w *workerChannel) takeAnswer(message []byte, operation string) error {
	f, err := decodeFrame[cleanupAnswer](message)
	if err != nil {
		return err
	}
	return w.settle(f.ID, f.Payload.MessageID, f.Payload.Token, operation)
}

// settle does what the worker says of a message that it has, and gives it another if
// that made room.
func (w *workerChannel) settle(request, message prefect.ID, token, operation string) error {
	settled := ops.Settled{Status: "unauthorized", Reason: "cleanup_delivery_not_accepted"}
	if w.hello.cleanups() > 0 {
		var err error
		settled, err = ops.Do[ops.Settled](w.ctx, w.backend, ops.Coordination, &ops.SettleCleanup{
			WorkPoolID: w.pool, MessageID: message, Token: token, Operation: operation,
		})
		if err != nil {
			w.log.Warn("answer about a clean-up could not be stored", "err", err)
			settled = ops.Settled{Status: "error", Reason: "cleanup_queue_operation_failed"}
		}
	}
	result := cleanupResult{FrameID: request, MessageID: message, Operation: operation, Status: settled.Status, Until: settled.Until}
	if settled.Reason != "" {
		result.Reason = &settled.Reason
	}
	switch {
	case settled.Status == "error":
	case !settled.Until.IsNull():
		w.inHand[token] = settled.Until
	default:
		delete(w.inHand, token)
	}
	if err := tell(w.socket, "cleanup.operation_result.v1", result); err != nil {
		return err
	}
	return w.deliver()
}

// deliver gives the worker messages as long as it has room for them.
func (w *workerChannel) deliver() error {
	wish := ops.CleanupWish{WorkPoolID: w.pool, Kinds: w.hello.Kinds, Queues: w.queues}
	for w.hasRoom() {
		m, err := ops.NextCleanup(w.ctx, w.backend, wish)
		if err != nil {
			w.log.Warn("clean-ups could not be read", "err", err)
			return nil // they are looked for again soon
		}
		if m == nil {
			return nil
		}
		w.inHand[m.Token] = m.Until
		if err := tell(w.socket, "cleanup.message.v1", cleanupOf(m)); err != nil {
			return err // another worker gets it when the lease has ended
		}
	}
	return nil
}

// hasRoom reports whether the worker takes another message; leases that have ended do
// not count.
func (w *workerChannel) hasRoom() bool {
	now := w.backend.Now()
	for token, until := range w.inHand {
		if until <= now {
			delete(w.inHand, token)
		}
	}
	return len(w.inHand) < w.hello.cleanups()
}
