package prefect

import (
	"encoding/base64"
	"errors"
)

// MaxEventsPage is how many events a page has when the request does not say, and at
// most.
const MaxEventsPage = 50

// EventsQuery is the body of POST /events/filter.
type EventsQuery struct {
	_      struct{}     `check:"params"`
	Filter *EventFilter `json:"filter,omitzero"`
	Limit  int          `json:"limit" check:"ge=0,le=50,default=50"`
}

// Page is where the query begins. Count is to be filled in.
func (q *EventsQuery) Page(now Time) EventsPage {
	p := EventsPage{PageSize: q.Limit}
	if q.Filter != nil {
		p.Filter = *q.Filter
	}
	p.Filter.Resolve(now)
	return p
}

// EventsPage is a place in a list of events; it travels to the client and back as a
// token.
type EventsPage struct {
	Filter   EventFilter `json:"filter"`
	Count    int         `json:"count"` // of all events, as of the first page
	PageSize int         `json:"page_size"`
	Offset   int         `json:"offset"`
}

// Next is the page after this one, if there is one. Without a size of the page
// there always is.
func (p EventsPage) Next() (next EventsPage, ok bool) {
	p.Offset += p.PageSize
	return p, p.Offset < p.Count
}

// Token is the value of page-token for the page.
func (p EventsPage) Token() (string, error) {
	data, err := Marshal(p)
	if err != nil {
		return "", err
	}
	once := base64.StdEncoding.EncodeToString(data)
	return base64.StdEncoding.EncodeToString([]byte(once)), nil
}

var errPageToken = errors.New("no token of a page of events")

// ParseEventsPage reads a token. Whoever sends it may have changed it.
func ParseEventsPage(token string) (p EventsPage, err error) {
	once, err := base64.StdEncoding.DecodeString(token)
	if err != nil {
		return p, errPageToken
	}
	data, err := base64.StdEncoding.DecodeString(string(once))
	if err != nil || Unmarshal(data, &p) != nil {
		return p, errPageToken
	}
	outside := p.Count < 0 || p.PageSize < 0 || p.PageSize > MaxEventsPage || p.Offset < 0 || p.Offset > farthest
	if outside || p.Filter.Text != nil && len([]rune(p.Filter.Text.Query)) > 200 {
		return p, errPageToken
	}
	return p, nil
}

// EventPage answers with one page of events. NextPage is a URL.
type EventPage struct {
	Events   []*Event `json:"events"`
	Total    int      `json:"total"`
	NextPage *string  `json:"next_page"`
}
