package httpapi

import (
	"context"

	"prefectd/ops"
	"prefectd/prefect"
)

// sendEvents sends the events that a filter selects.
func sendEvents(s *socket) error {
	var filter prefect.EventFilter
	backfill, err := s.receiveWish(&filter)
	if err != nil {
		return err
	}
	now := s.backend.Now()
	filter.Resolve(now)
	filter.Occurred.Since = max(filter.Occurred.Since, now.Add(-s.backend.Settings().EventMaxBackfill))
	filter.Order = prefect.EventsAsc
	s.ignore()
	follow := ops.Follow{Filter: filter, Backfill: backfill, Live: s.config.StreamEvents}
	return s.left(ops.FollowEvents(s.whileThere(), s.backend, s.backend.Streams(), follow, s.sendEach))
}

// eventFrame is one message of /events/out.
type eventFrame struct {
	Type  string         `json:"type"`
	Event *prefect.Event `json:"event"`
}

func (s *socket) sendEach(events []*prefect.Event) error {
	for _, e := range events {
		if err := s.send(eventFrame{"event", e}); err != nil {
			return err
		}
	}
	return nil
}

// logFrame is one message of /logs/out.
type logFrame struct {
	Type string      `json:"type"`
	Log  prefect.Log `json:"log"`
}

// sendLogs sends the logs that a filter selects and that are written from now on.
func sendLogs(s *socket) error {
	var filter prefect.LogFilter
	if _, err := s.receiveWish(&filter); err != nil {
		return err
	}
	s.ignore()
	ctx := s.whileThere()
	if !s.config.StreamLogs {
		<-ctx.Done()
		return s.left(context.Canceled)
	}
	lost := func(n int) { s.log.Warn("client is too slow for the logs", "lost", n) }
	return s.left(ops.FollowLogs(ctx, s.backend.Streams(), &filter, lost, func(logs []*prefect.Log) error {
		for _, l := range logs {
			sent := *l // others get it, too
			sent.Created = 0
			if err := s.send(logFrame{"log", sent}); err != nil {
				return err
			}
		}
		return nil
	}))
}
