package httpapi

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/fasthttp/websocket"
	"github.com/stretchr/testify/require"

	"prefectd/ops"
	"prefectd/prefect"
)

// yard is a backend with one work pool, and messages for its workers.
type yard struct {
	*keeper
	mu       sync.Mutex
	pool     *prefect.WorkPool // nil when it is gone
	refusal  error             // of the next operation
	cleanups []*prefect.Cleanup
	settled  []ops.SettleCleanup
}

func newYard() *yard {
	return &yard{keeper: newKeeper(), pool: &prefect.WorkPool{ID: prefect.ID{1}, Name: "pool", Updated: 1}}
}

func (y *yard) NewID() prefect.ID { return prefect.ID{9} }

func (y *yard) Do(_ context.Context, _ int, op ops.Operation) (any, error) {
	y.mu.Lock()
	defer y.mu.Unlock()
	if err := y.refusal; err != nil {
		y.refusal = nil
		return nil, err
	}
	switch op := op.(type) {
	case *ops.WelcomeWorker:
		return &ops.Welcome{Pool: y.pool, Queues: []*prefect.WorkQueue{{ID: prefect.ID{2}, Name: "q"}}}, nil
	case *ops.RecordHeartbeat:
		return nil, nil
	case *ops.ReserveCleanup:
		m := *y.cleanups[0]
		m.Token, m.Until, y.cleanups = "token "+m.Kind, y.Now().Add(prefect.Minute), y.cleanups[1:]
		return &m, nil
	case *ops.SettleCleanup:
		y.settled = append(y.settled, *op)
		if op.Operation == ops.RenewCleanup {
			return ops.Settled{Status: "accepted", Until: y.Now().Add(prefect.Minute)}, nil
		}
		return ops.Settled{Status: "accepted"}, nil
	}
	return nil, fmt.Errorf("%T", op)
}

func (y *yard) Ask(_ context.Context, _ int, q ops.Query) (any, error) {
	y.mu.Lock()
	defer y.mu.Unlock()
	switch q.(type) {
	case *ops.FindWorkPools:
		if y.pool == nil {
			return ops.FoundPools{}, nil
		}
		pool := *y.pool
		return ops.FoundPools{Pools: []*prefect.WorkPool{&pool}}, nil
	case *ops.CleanupWaits:
		return len(y.cleanups) > 0, nil
	}
	return nil, fmt.Errorf("%T", q)
}

// change changes something, and tells of it as the node does.
func (y *yard) change(how func()) {
	y.mu.Lock()
	how()
	y.mu.Unlock()
	y.hub.Replaced(ops.Coordination)
}

const someTime = `"2027-01-01T00:00:00Z"`

// frameText is a frame of a type with a payload.
func frameText(kind, payload string) string {
	return `{"type":"` + kind + `","id":"` + someID + `","sent_at":` + someTime + `,"payload":` + payload + `}`
}

// helloText is a sound hello, in which something may be replaced.
func helloText(replace ...string) string {
	return frameText("worker.hello.v1", strings.NewReplacer(replace...).Replace(`{"consumer_id":"`+someID+`","worker_name":"w","worker_type":"process",`+
		`"heartbeat_interval_seconds":30,"supported_channel_versions":["work_pool_worker_channel.v1"],`+
		`"requested_capabilities":["worker_heartbeat.v1","work_pool_snapshot.v1","cleanup_delivery.v1","other.v1"],`+
		`"handled_cleanup_kinds":["cancelling_timeout_teardown.v1"]}`))
}

func heartbeatText(worker string) string {
	return frameText("worker.heartbeat.v1", `{"consumer_id":"`+someID+`","worker_name":"`+worker+`","heartbeat_interval_seconds":30}`)
}

const workerPath = "/api/work_pools/pool/workers/connect"

// heardFrame is a frame of the server.
type heardFrame struct {
	Type    string
	Payload map[string]any
}

func hearFrame(t *testing.T, conn *websocket.Conn) (f heardFrame) {
	t.Helper()
	require.NoError(t, json.Unmarshal([]byte(hear(t, conn)), &f))
	return f
}

func TestAWorkersConversation(t *testing.T) {
	y := newYard()
	s := serveKeeper(t, y, Config{})
	conn := s.connect(workerPath)
	say(t, conn, helloText())
	ready := hearFrame(t, conn)
	require.Equal(t, "worker.ready.v1", ready.Type)
	require.Equal(t, []any{"worker_heartbeat.v1", "work_pool_snapshot.v1", "cleanup_delivery.v1"}, ready.Payload["accepted_capabilities"])
	require.Equal(t, []any{"other.v1"}, ready.Payload["rejected_capabilities"])
	require.EqualValues(t, 1, ready.Payload["effective_max_cleanup_concurrency"])
	require.EqualValues(t, 1, ready.Payload["initial_snapshot"].(map[string]any)["snapshot_sequence"])

	y.change(func() { y.pool.IsPaused = true })
	f := hearFrame(t, conn)
	require.Equal(t, "work_pool.snapshot.v1", f.Type)
	require.Equal(t, []any{2.0, "work_pool_updated"}, []any{f.Payload["snapshot_sequence"], f.Payload["reason"]})

	say(t, conn, heartbeatText("w")) // nothing changed since: no answer
	y.change(func() { y.pool.Description, y.pool.Updated = new("d"), 2 })
	say(t, conn, heartbeatText("w"))
	f = hearFrame(t, conn)
	require.Equal(t, []any{3.0, "heartbeat_reconciliation"}, []any{f.Payload["snapshot_sequence"], f.Payload["reason"]})

	y.change(func() { y.pool = nil })
	end := closed(t, conn)
	require.Equal(t, []any{1008, "authorization_failed"}, []any{end.Code, end.Text})
}

func TestAWorkerCleansUpOneAtATime(t *testing.T) {
	y := newYard()
	s := serveKeeper(t, y, Config{})
	for _, kind := range []string{"a", "b"} {
		y.cleanups = append(y.cleanups, &prefect.Cleanup{ID: prefect.ID{5}, Kind: kind, Target: prefect.JSON(`{}`), Deliveries: 1})
	}
	conn := s.connect(workerPath)
	say(t, conn, helloText())
	hear(t, conn)
	require.Equal(t, "token a", hearFrame(t, conn).Payload["reservation_token"])

	answer := `"message_id":"` + prefect.ID{5}.String() + `","reservation_token":"token a"`
	say(t, conn, frameText("cleanup.renew.v1", "{"+answer+"}"))
	f := hearFrame(t, conn)
	require.Equal(t, []any{"cleanup.operation_result.v1", "renew", "accepted", someID}, []any{f.Type, f.Payload["operation"], f.Payload["status"], f.Payload["request_frame_id"]})
	require.NotNil(t, f.Payload["lease_expires_at"])

	say(t, conn, frameText("cleanup.release.v1", "{"+answer+`,"reason":"no"}`))
	require.Equal(t, "release", hearFrame(t, conn).Payload["operation"])
	require.Equal(t, "token b", hearFrame(t, conn).Payload["reservation_token"], "there is room now")
	require.Len(t, y.settled, 2)
	require.Equal(t, ops.SettleCleanup{WorkPoolID: prefect.ID{1}, MessageID: prefect.ID{5}, Token: "token a", Operation: "release"}, y.settled[1])
}

func TestAWorkerThatDoesNotCleanUpMayNotAnswer(t *testing.T) {
	s := serveKeeper(t, newYard(), Config{})
	conn := s.connect(workerPath)
	say(t, conn, helloText(`,"cleanup_delivery.v1"`, "", `"cancelling_timeout_teardown.v1"`, ""))
	require.EqualValues(t, 0, hearFrame(t, conn).Payload["effective_max_cleanup_concurrency"])
	say(t, conn, frameText("cleanup.ack.v1", `{"message_id":"`+someID+`","reservation_token":"t"}`))
	f := hearFrame(t, conn)
	require.Equal(t, []any{"unauthorized", "cleanup_delivery_not_accepted"}, []any{f.Payload["status"], f.Payload["reason"]})
}

func TestWorkersThatAreTurnedAway(t *testing.T) {
	for name, test := range map[string]struct {
		hello   string
		then    string // said after the hello was answered
		refusal error  // of the operation
		code    int
		reason  string
	}{
		"no JSON":            {hello: `hello`, code: 1002, reason: "protocol_error"},
		"another frame":      {hello: heartbeatText("w"), code: 1002, reason: "protocol_error"},
		"unknown key":        {hello: helloText(`"worker_name"`, `"x":1,"worker_name"`), code: 1002, reason: "protocol_error"},
		"no worker":          {hello: helloText(`"w"`, `""`), code: 1002, reason: "protocol_error"},
		"too little":         {hello: helloText(`"work_pool_snapshot.v1",`, ""), code: 1002, reason: "protocol_error"},
		"kinds without need": {hello: helloText(`,"cleanup_delivery.v1"`, ""), code: 1002, reason: "protocol_error"},
		"unknown kind":       {hello: helloText(`cancelling_timeout_teardown`, "other"), code: 1002, reason: "protocol_error"},
		"another version":    {hello: helloText(`worker_channel.v1`, "worker_channel.v2"), code: 1008, reason: "unsupported_version"},
		"no pool":            {hello: helloText(), refusal: ops.NotFound("x"), code: 1008, reason: "authorization_failed"},
		"reserved":           {hello: helloText(), refusal: ops.Forbidden("x"), code: 1008, reason: "authorization_failed"},
		"no leader":          {hello: helloText(), refusal: ops.Unavailable("x"), code: 1011, reason: "transient_server_error"},
		"another's sign":     {hello: helloText(), then: heartbeatText("v"), code: 1002, reason: "protocol_error"},
		"hello again":        {hello: helloText(), then: helloText(), code: 1002, reason: "protocol_error"},
		"sign not stored":    {hello: helloText(), then: heartbeatText("w"), refusal: ops.Unavailable("x"), code: 1011, reason: "heartbeat_persistence_failed"},
	} {
		t.Run(name, func(t *testing.T) {
			y := newYard()
			s := serveKeeper(t, y, Config{})
			conn := s.connect(workerPath)
			if test.then == "" {
				y.change(func() { y.refusal = test.refusal })
			}
			say(t, conn, test.hello)
			if test.then != "" {
				require.Equal(t, "worker.ready.v1", hearFrame(t, conn).Type)
				y.change(func() { y.refusal = test.refusal })
				say(t, conn, test.then)
			}
			end := closed(t, conn)
			require.Equal(t, []any{test.code, test.reason}, []any{end.Code, end.Text})
		})
	}
}
