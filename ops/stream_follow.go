package ops

import (
	"context"

	"prefectd/prefect"
)

// Follow says what a subscriber of events wants.
type Follow struct {
	Filter   prefect.EventFilter // resolved, in ascending order
	Backfill bool                // first what is there
	Live     bool                // then what happens
}

// Pieces in which a follower reads.
const (
	backfillPage = 250
	streamPage   = 256
)

// FollowEvents hands events to deliver: those that are there, in the order of
// time, then what is written, in the order of each group's stream. None is left
// out and none comes twice, however slow deliver is. It returns when ctx ends or
// deliver fails.
func FollowEvents(ctx context.Context, b Backend, h *Hub, q Follow, deliver func([]*prefect.Event) error) error {
	h.listen()
	defer h.quit()
	f := &follower{backend: b, hub: h, matcher: q.Filter.CompileLive(), deliver: deliver}
	if err := f.begin(ctx, &q); err != nil {
		return err
	}
	if !q.Live {
		<-ctx.Done()
		return ctx.Err()
	}
	for {
		news := h.next()
		if err := f.advance(ctx); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-news:
		}
	}
}

// follower is on its way along the streams of all groups.
type follower struct {
	backend Backend
	hub     *Hub
	matcher *prefect.Matcher[prefect.Event]
	deliver func([]*prefect.Event) error
	at      []position // by group
}

// position is how far a follower is in a group's stream: the number of the event
// that comes next, and which version of the group's state it knows.
type position struct {
	next  uint64
	epoch int
}

// begin delivers what is there and takes up the position behind it: each group's
// part is one view of its state, so nothing falls in between.
func (f *follower) begin(ctx context.Context, q *Follow) error {
	limit := 0
	if q.Backfill {
		limit = -1
	}
	f.at = make([]position, len(f.hub.events))
	for group := range f.at {
		f.at[group].epoch = f.hub.epoch(group)
	}
	groups, parts, err := findEvents(ctx, f.backend, &FindEvents{Filter: q.Filter, Limit: limit})
	if err != nil {
		return err
	}
	for i, group := range groups {
		f.at[group].next = parts[i].Last + 1
	}
	places, _ := mergePlaces(groups, parts, &q.Filter)
	for len(places) > 0 {
		n := min(len(places), backfillPage)
		events, err := fetchEvents(ctx, f.backend, places[:n])
		if err != nil {
			return err
		}
		if err := f.deliver(events); err != nil {
			return err
		}
		places = places[n:]
	}
	return nil
}

// advance delivers what has come since.
func (f *follower) advance(ctx context.Context) error {
	for group := range f.at {
		for more := true; more; {
			var err error
			if more, err = f.step(ctx, group); err != nil {
				return err
			}
		}
	}
	return nil
}

// step delivers the next events of a group: from memory, or from the state if it
// fell behind. It answers whether there may be more.
func (f *follower) step(ctx context.Context, group int) (more bool, err error) {
	at := &f.at[group]
	items, epoch, ok := f.hub.eventsFrom(group, at.next)
	if !ok || epoch != at.epoch {
		events, err := Ask[[]*prefect.Event](ctx, f.backend, group, &ReadStream{From: at.next, Limit: streamPage})
		if err != nil {
			return false, err
		}
		if len(events) < streamPage {
			at.epoch = epoch
		}
		return len(events) > 0, f.pass(at, events)
	}
	events := make([]*prefect.Event, 0, len(items))
	for _, i := range items {
		e, err := i.get()
		if err != nil {
			return false, err
		}
		events = append(events, e)
	}
	return len(events) > 0, f.pass(at, events)
}

// pass delivers those of a group's next events that the filter wants.
func (f *follower) pass(at *position, events []*prefect.Event) error {
	var wanted []*prefect.Event
	for _, e := range events {
		at.next = e.Sequence + 1
		if f.matcher.Match(e, prefect.AllColumns) == prefect.Yes {
			wanted = append(wanted, e)
		}
	}
	if len(wanted) == 0 {
		return nil
	}
	return f.deliver(wanted)
}

// FollowLogs hands logs to deliver as they are written, until ctx ends or deliver
// fails. One who is too slow misses some; lost is told how many.
func FollowLogs(ctx context.Context, h *Hub, filter *prefect.LogFilter, lost func(n int), deliver func([]*prefect.Log) error) error {
	at := h.logsEnd()
	h.listen()
	defer h.quit()
	matcher := filter.Compile()
	for {
		news := h.next()
		items, first := h.logsFrom(at)
		if first > at {
			lost(int(first - at))
		}
		at = first + uint64(len(items))
		var wanted []*prefect.Log
		for _, i := range items {
			l, err := i.get()
			if err != nil {
				return err
			}
			if matcher.Match(l, prefect.AllColumns) == prefect.Yes {
				wanted = append(wanted, l)
			}
		}
		if len(wanted) > 0 {
			if err := deliver(wanted); err != nil {
				return err
			}
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-news:
		}
	}
}
