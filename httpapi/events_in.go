package httpapi

import (
	"errors"

	"prefectd/httpapi/schema"
	"prefectd/ops"
	"prefectd/prefect"
)

// receiveEvents stores events as they come. It answers a ping when everything
// before it is durable, and ends in the same way: so a client may forget what it
// sent before, and nothing else.
func receiveEvents(s *socket) error {
	pipe := ops.NewEventPipe(s.ctx, s.backend, func(reasons []string) {
		s.log.Warn("task runs could not be recorded", "reasons", reasons)
	})
	s.beforePong = pipe.Wait
	err := s.takeEvents(pipe)
	if failed := pipe.Close(); failed != nil {
		return notStored(failed)
	}
	return err
}

func (s *socket) takeEvents(pipe *ops.EventPipe) error {
	most := s.backend.Settings().EventMaxBytes
	for {
		frame, err := s.receive()
		if err != nil {
			return err
		}
		if len(frame) > most {
			// To close would make the client send it again, for ever.
			s.log.Warn("event dropped: it is too large", "bytes", len(frame), "most", most)
			continue
		}
		var e prefect.Event
		if problems := schema.Decode(frame, nil, &e); len(problems) > 0 {
			if !prefect.JSON(frame).IsValid() {
				return closing(closeInvalid, "Invalid JSON: "+problems[0].Msg)
			}
			return closing(closeProtocol, "Invalid event: "+problemText(problems[0]))
		}
		if err := pipe.Send(e, len(frame)); err != nil {
			return err
		}
	}
}

// notStored closes a websocket whose events could not all be stored: the client
// will connect again and send what was not answered.
func notStored(err error) error {
	var refusal *ops.Error
	if errors.As(err, &refusal) && refusal.Retryable {
		return closing(closeTryAgain, refusal.Detail)
	}
	return err
}
