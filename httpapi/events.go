package httpapi

import (
	"fmt"

	"prefectd/httpapi/schema"
	"prefectd/ops"
	"prefectd/prefect"
)

func eventRoutes() []route {
	return []route{
		{Method: "POST", Path: "/events", Kind: write, Handle: createEvents, Doc: "Stores events."},
		{Method: "POST", Path: "/events/filter", Kind: read, Handle: filterEvents, Doc: "Events by filter, the first page."},
		{Method: "GET", Path: "/events/filter/next", Kind: read, Handle: nextEvents, Doc: "The page that a token stands for."},
		{Method: "POST", Path: "/events/count-by/{countable}", Kind: read, Handle: countEvents, Doc: "Events counted by time, name or resource."},
	}
}

func createEvents(c *call) error {
	var events []prefect.Event
	if err := c.decode(&events); err != nil {
		return err
	}
	most := c.backend.Settings().EventMaxBytes
	for i := range events {
		if ops.EventSize(&events[i]) > most {
			return ops.Unprocessable(fmt.Sprintf("Event %d is too large: an event can have %d bytes.", i, most))
		}
	}
	answer, err := ops.TakeEvents(c.ctx, c.backend, events)
	if err != nil {
		return err
	}
	if len(answer.Refused) > 0 {
		c.log().Warn("task runs could not be recorded", "reasons", answer.Refused)
	}
	return c.empty()
}

func filterEvents(c *call) error {
	var query prefect.EventsQuery
	if err := c.decode(&query); err != nil {
		return err
	}
	page := query.Page(c.backend.Now())
	return c.replyEvents(&page, true)
}

func nextEvents(c *call) error {
	var query struct {
		_     struct{} `check:"params"`
		Token string   `json:"page-token" check:"required"`
	}
	if err := c.query(&query); err != nil {
		return err
	}
	page, err := prefect.ParseEventsPage(query.Token)
	if err != nil {
		return ops.Forbidden("Forbidden")
	}
	page.Filter.Resolve(c.backend.Now()) // an own token has no need of it
	return c.replyEvents(&page, false)
}

func (c *call) replyEvents(page *prefect.EventsPage, first bool) error {
	events, err := ops.ListEvents(c.ctx, c.backend, page, first)
	if err != nil {
		return err
	}
	answer := prefect.EventPage{Events: events, Total: page.Count}
	if next, ok := page.Next(); ok {
		token, err := next.Token()
		if err != nil {
			return err
		}
		link := c.origin() + c.config.BasePath + "/events/filter/next?page-token=" + token
		answer.NextPage = &link
	}
	return c.reply(200, answer)
}

func countEvents(c *call) error {
	var by prefect.Countable
	if err := c.decodeParam("countable", &by); err != nil {
		return err
	}
	var query prefect.EventCountQuery
	if err := c.decode(&query); err != nil {
		return err
	}
	counts, err := ops.EventCounts(c.ctx, c.backend, query, by)
	if err != nil {
		return err
	}
	return c.reply(200, counts)
}

// decodeParam reads a value in the path into dst.
func (c *call) decodeParam(name string, dst any) error {
	text, err := prefect.Marshal(c.param(name))
	if err != nil {
		return err
	}
	if problems := schema.Decode(text, []any{"path", name}, dst); len(problems) > 0 {
		return &invalid{problems: problems}
	}
	return nil
}
