package httpapi

import (
	"slices"

	"prefectd/httpapi/schema"
	"prefectd/prefect"
)

// channelFrame is what workers and server say to each other: a type, and what it says.
type channelFrame[P any] struct {
	_       struct{}     `check:"closed"`
	Type    string       `json:"type" check:"required"`
	ID      prefect.ID   `json:"id" check:"required"`
	SentAt  prefect.Time `json:"sent_at" check:"required"`
	Payload P            `json:"payload" check:"required"`
}

// What a worker can do on its channel, as both call it.
const (
	channelVersion   = "work_pool_worker_channel.v1"
	canHeartbeat     = "worker_heartbeat.v1"
	canTakeSnapshots = "work_pool_snapshot.v1"
	canCleanUp       = "cleanup_delivery.v1"
)

// workerHello is the first thing that a worker says.
type workerHello struct {
	_            struct{}     `check:"closed"`
	ConsumerID   prefect.ID   `json:"consumer_id" check:"required"`
	Worker       string       `json:"worker_name" check:"required,minlen=1"`
	WorkerType   string       `json:"worker_type" check:"required,minlen=1"`
	Interval     int          `json:"heartbeat_interval_seconds" check:"required,gt=0"`
	Versions     []string     `json:"supported_channel_versions" check:"required,minlen=1"`
	Capabilities []string     `json:"requested_capabilities" check:"required,minlen=1"`
	Queues       []string     `json:"work_queue_names"`
	Kinds        []string     `json:"handled_cleanup_kinds" check:"oneof=cancelling_timeout_teardown.v1|pending_claim_teardown.v1"`
	MaxCleanups  *int         `json:"max_cleanup_concurrency" check:"ge=0"`
	Create       bool         `json:"create_pool_if_not_found"`
	Template     prefect.JSON `json:"default_base_job_template" check:"object,job_template,default={}"`
	Metadata     prefect.JSON `json:"worker_metadata" check:"object,nullable"`
}

// cleanups is how many messages the worker takes at a time; 0 if it takes none.
func (h *workerHello) cleanups() int {
	switch {
	case !slices.Contains(h.Capabilities, canCleanUp) || len(h.Kinds) == 0:
		return 0
	case h.MaxCleanups == nil:
		return 1
	}
	return *h.MaxCleanups
}

// isSound reports whether what the worker asks for fits together.
func (h *workerHello) isSound() bool {
	if !slices.Contains(h.Capabilities, canHeartbeat) || !slices.Contains(h.Capabilities, canTakeSnapshots) {
		return false
	}
	asksToCleanUp := len(h.Kinds) > 0 || h.MaxCleanups != nil && *h.MaxCleanups > 0
	return slices.Contains(h.Capabilities, canCleanUp) || !asksToCleanUp
}

// granted splits what the worker asked for in what it gets and what it does not.
func (h *workerHello) granted() (accepted, rejected []string) {
	accepted, rejected = []string{canHeartbeat, canTakeSnapshots}, []string{}
	if h.cleanups() > 0 {
		accepted = append(accepted, canCleanUp)
	}
	for _, c := range h.Capabilities {
		if !slices.Contains(accepted, c) && !slices.Contains(rejected, c) {
			rejected = append(rejected, c)
		}
	}
	return accepted, rejected
}

// workerReady is the answer to a worker's hello.
type workerReady struct {
	ConsumerID  prefect.ID     `json:"consumer_id"`
	WorkerID    prefect.ID     `json:"worker_id"` // always null
	Version     string         `json:"selected_channel_version"`
	Interval    int            `json:"effective_heartbeat_interval_seconds"`
	Accepted    []string       `json:"accepted_capabilities"`
	Rejected    []string       `json:"rejected_capabilities"`
	MaxCleanups int            `json:"effective_max_cleanup_concurrency"`
	Queues      []channelQueue `json:"resolved_work_queues"`
	Snapshot    poolSnapshot   `json:"initial_snapshot"`
}

type channelQueue struct {
	ID   prefect.ID `json:"id"`
	Name string     `json:"name"`
}

// poolSnapshot tells a worker what its pool is like now.
type poolSnapshot struct {
	Sequence int               `json:"snapshot_sequence"`
	Reason   string            `json:"reason"`
	Pool     *prefect.WorkPool `json:"work_pool"`
}

// channelHeartbeat is a sign of the worker.
type channelHeartbeat struct {
	_          struct{}   `check:"closed"`
	ConsumerID prefect.ID `json:"consumer_id" check:"required"`
	Worker     string     `json:"worker_name" check:"required,minlen=1"`
	Interval   int        `json:"heartbeat_interval_seconds" check:"required,gt=0"`
}

// cleanupMessage asks a worker to remove what a run left behind.
type cleanupMessage struct {
	MessageID   prefect.ID   `json:"message_id"`
	Kind        string       `json:"kind"`
	Token       string       `json:"reservation_token"`
	Until       prefect.Time `json:"lease_expires_at"`
	Deliveries  int          `json:"delivery_count"`
	WorkQueueID prefect.ID   `json:"work_queue_id"`
	Target      prefect.JSON `json:"target"`
	Data        prefect.JSON `json:"data"`
}

// cleanupAnswer is what a worker says of a message.
type cleanupAnswer struct {
	_         struct{}   `check:"closed"`
	MessageID prefect.ID `json:"message_id" check:"required"`
	Token     string     `json:"reservation_token" check:"required,minlen=1"`
}

// cleanupRelease is the answer of a worker that could not do it.
type cleanupRelease struct {
	_         struct{}   `check:"closed"`
	MessageID prefect.ID `json:"message_id" check:"required"`
	Token     string     `json:"reservation_token" check:"required,minlen=1"`
	Reason    string     `json:"reason" check:"required,minlen=1"`
}

// cleanupResult tells the worker what became of its answer.
type cleanupResult struct {
	FrameID   prefect.ID   `json:"request_frame_id"`
	MessageID prefect.ID   `json:"message_id"`
	Operation string       `json:"operation"`
	Status    string       `json:"status"`
	Until     prefect.Time `json:"lease_expires_at"`
	Reason    *string      `json:"reason"`
	Detail    *string      `json:"detail"` // always null
}

// The ways in which a worker's channel is closed. After the first three the worker does
// without it.
var (
	errChannelProtocol = closing(closeProtocol, "protocol_error")
	errChannelVersion  = closing(closePolicy, "unsupported_version")
	errChannelRefused  = closing(closePolicy, "authorization_failed")
	errNoHeartbeat     = closing(closeInternal, "heartbeat_persistence_failed")
	errChannelTrouble  = closing(closeInternal, "transient_server_error")
)

// decodeFrame reads the payload of a frame.
func decodeFrame[P any](message []byte) (f channelFrame[P], err error) {
	if problems := schema.Decode(message, []any{}, &f); len(problems) > 0 {
		return f, errChannelProtocol
	}
	return f, nil
}

// frameType is the type of a frame, empty if the message is none.
func frameType(message []byte) string {
	var f struct {
		Type string `json:"type"`
	}
	if prefect.Unmarshal(message, &f) != nil {
		return ""
	}
	return f.Type
}

// tell sends a frame.
func tell[P any](s *socket, kind string, payload P) error {
	return s.send(channelFrame[P]{Type: kind, ID: s.backend.NewID(), SentAt: s.backend.Now(), Payload: payload})
}

// channelQueues are work queues as a channel names them.
func channelQueues(queues []*prefect.WorkQueue) []channelQueue {
	list := make([]channelQueue, len(queues))
	for i, q := range queues {
		list[i] = channelQueue{q.ID, q.Name}
	}
	return list
}

// cleanupOf is a message as a channel tells it.
func cleanupOf(c *prefect.Cleanup) cleanupMessage {
	return cleanupMessage{
		MessageID: c.ID, Kind: c.Kind, Token: c.Token, Until: c.Until, Deliveries: c.Deliveries,
		WorkQueueID: c.WorkQueueID, Target: c.Target, Data: c.Data,
	}
}
