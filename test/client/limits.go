package client

import (
	"context"
	"errors"
	"net/http"
)

// Limit is a concurrency limit, as far as tests look at it.
type Limit struct {
	ID          string `json:"id"`
	Name        string `json:"name"`
	Limit       int    `json:"limit"`
	ActiveSlots int    `json:"active_slots"`
}

// CreateLimit makes a concurrency limit.
func (c *Client) CreateLimit(ctx context.Context, name string, slots int) (l Limit, err error) {
	return l, c.Call(ctx, http.MethodPost, "/v2/concurrency_limits/", map[string]any{"name": name, "limit": slots}, &l)
}

// ReadLimit reads a concurrency limit by its name.
func (c *Client) ReadLimit(ctx context.Context, name string) (l Limit, err error) {
	return l, c.Call(ctx, http.MethodGet, "/v2/concurrency_limits/"+name, nil, &l)
}

// TakeSlot takes a slot of a limit for as long as the lease lasts, in seconds. Without a
// lease the limit is full.
func (c *Client) TakeSlot(ctx context.Context, name string, seconds int) (lease string, err error) {
	var taken struct {
		LeaseID string `json:"lease_id"`
	}
	err = c.Call(ctx, http.MethodPost, "/v2/concurrency_limits/increment-with-lease",
		map[string]any{"names": []string{name}, "slots": 1, "mode": "concurrency", "lease_duration": seconds}, &taken)
	var refused *StatusError
	if errors.As(err, &refused) && refused.Status == http.StatusLocked {
		return "", nil
	}
	return taken.LeaseID, err
}

// RenewSlot makes a lease last for so many seconds from now on.
func (c *Client) RenewSlot(ctx context.Context, lease string, seconds int) error {
	return c.Call(ctx, http.MethodPost, "/v2/concurrency_limits/leases/"+lease+"/renew", map[string]any{"lease_duration": seconds}, nil)
}

// GiveSlot gives back what a lease holds.
func (c *Client) GiveSlot(ctx context.Context, lease string) error {
	return c.Call(ctx, http.MethodPost, "/v2/concurrency_limits/decrement-with-lease", map[string]any{"lease_id": lease}, nil)
}
