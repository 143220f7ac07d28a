package ops

import (
	"math"

	"prefectd/prefect"
	"prefectd/store"
)

// Concurrency limits and the leases on their slots live in the coordination group.

// LimitKey is the id of a limit, or else its name. A text that is an id is never taken
// for a name.
type LimitKey struct {
	ID   prefect.ID
	Name string
}

// ParseLimitKey reads a key out of a path.
func ParseLimitKey(text string) LimitKey {
	if id, err := prefect.ParseID(text); err == nil {
		return LimitKey{ID: id}
	}
	return LimitKey{Name: text}
}

func (k *LimitKey) find(tx *store.Tx) (*prefect.ConcurrencyLimit, error) {
	l := store.ConcurrencyLimits.Get(tx, key(k.ID))
	if k.ID.IsNull() {
		l = limitNamed(tx, k.Name)
	}
	if l == nil {
		return nil, NotFound("Concurrency Limit not found")
	}
	return l, nil
}

func limitNamed(tx *store.Tx, name string) *prefect.ConcurrencyLimit {
	return store.ConcurrencyLimitsByName.Find(tx, store.Key{}.String(name))
}

// firstOccupancy is how long a slot is taken to be held before anybody gave one back, in
// seconds (reference/concurrency.md).
const firstOccupancy = 2

// newLimit makes a limit that nobody has a slot of.
func (c *Context) newLimit(name string, limit int) *prefect.ConcurrencyLimit {
	return &prefect.ConcurrencyLimit{
		ID: c.freshID(), Created: c.Now, Updated: c.Now, Active: true, Name: name, Limit: limit,
		AvgOccupancySeconds: firstOccupancy, ActiveSince: c.Now, DeniedSince: c.Now,
	}
}

// CreateLimit makes a concurrency limit.
type CreateLimit struct {
	Limit prefect.ConcurrencyLimitCreate
}

// Run answers the *prefect.ConcurrencyLimit; 409 if its name is taken.
func (o *CreateLimit) Run(c *Context) (any, error) {
	if limitNamed(c.Tx, o.Limit.Name) != nil {
		return nil, IntegrityConflict()
	}
	l := c.newLimit(o.Limit.Name, o.Limit.Limit)
	l.Active, l.ActiveSlots, l.DeniedSlots = o.Limit.Active, o.Limit.ActiveSlots, o.Limit.DeniedSlots
	l.SlotDecayPerSecond = prefect.Float(o.Limit.SlotDecayPerSecond)
	store.ConcurrencyLimits.Put(c.Tx, l)
	return l, c.emitLimit("created", l)
}

// UpdateLimit changes what was sent of a concurrency limit.
type UpdateLimit struct {
	Limit  LimitKey
	Update prefect.ConcurrencyLimitUpdate
}

// Run answers nothing; 404 for an unknown limit, 409 for a name that is taken or a value
// that there must be.
func (o *UpdateLimit) Run(c *Context) (any, error) {
	l, err := o.Limit.find(c.Tx)
	if err != nil {
		return nil, err
	}
	u := &o.Update
	if u.Active.Set && u.Active.Value == nil || u.Name.Set && u.Name.Value == nil || u.Limit.Set && u.Limit.Value == nil ||
		u.ActiveSlots.Set && u.ActiveSlots.Value == nil || u.DeniedSlots.Set && u.DeniedSlots.Value == nil ||
		u.SlotDecayPerSecond.Set && u.SlotDecayPerSecond.Value == nil {
		return nil, IntegrityConflict()
	}
	if u.Name.Set {
		if other := limitNamed(c.Tx, *u.Name.Value); other != nil && other.ID != l.ID {
			return nil, IntegrityConflict()
		}
		l.Name = *u.Name.Value
	}
	// What has decayed by the old rate is counted before there is a new one.
	l.ActiveSlots, l.ActiveSince = activeSlots(l, c.Now), c.Now
	l.DeniedSlots, l.DeniedSince = c.deniedSlots(l), c.Now
	if u.Active.Set {
		l.Active = *u.Active.Value
	}
	if u.Limit.Set {
		l.Limit = *u.Limit.Value
	}
	if u.ActiveSlots.Set {
		l.ActiveSlots = *u.ActiveSlots.Value
	}
	if u.DeniedSlots.Set {
		l.DeniedSlots = *u.DeniedSlots.Value
	}
	if u.SlotDecayPerSecond.Set {
		l.SlotDecayPerSecond = prefect.Float(*u.SlotDecayPerSecond.Value)
	}
	l.Updated = c.Now
	store.ConcurrencyLimits.Put(c.Tx, l)
	return nil, c.emitLimit("updated", l)
}

// DeleteLimit removes a concurrency limit.
type DeleteLimit struct {
	Limit LimitKey
}

// Run answers nothing; 404 for an unknown limit.
func (o *DeleteLimit) Run(c *Context) (any, error) {
	l, err := o.Limit.find(c.Tx)
	if err != nil {
		return nil, err
	}
	store.ConcurrencyLimits.Delete(c.Tx, key(l.ID))
	return nil, c.emitLimit("deleted", l)
}

// emitLimit emits prefect.concurrency-limit.<what>.
func (c *Context) emitLimit(what string, l *prefect.ConcurrencyLimit) error {
	return c.tell("prefect.concurrency-limit."+what, resource("concurrency-limit", l.ID, l.Name), nil, struct {
		Name               string        `json:"name"`
		Limit              int           `json:"limit"`
		Active             bool          `json:"active"`
		SlotDecayPerSecond prefect.Float `json:"slot_decay_per_second"`
	}{l.Name, l.Limit, l.Active, l.SlotDecayPerSecond})
}

// decayed is what is left of slots that go away at a rate, in slots a second.
func decayed(slots int, rate float64, since, now prefect.Time) int {
	return max(0, slots-int(math.Floor(rate*now.Sub(since).Seconds())))
}

// activeSlots is how many slots of a limit are taken at an instant.
func activeSlots(l *prefect.ConcurrencyLimit, now prefect.Time) int {
	return decayed(l.ActiveSlots, float64(l.SlotDecayPerSecond), l.ActiveSince, now)
}

// deniedSlots is how many slots of a limit others were refused a short while ago.
func (c *Context) deniedSlots(l *prefect.ConcurrencyLimit) int {
	rate := float64(l.SlotDecayPerSecond)
	if rate == 0 {
		rate = 1 / min(max(float64(l.AvgOccupancySeconds), 0.1), c.slotWait(l))
	}
	return decayed(l.DeniedSlots, rate, l.DeniedSince, c.Now)
}

func limitResponse(l *prefect.ConcurrencyLimit, now prefect.Time) *prefect.ConcurrencyLimitResponse {
	return &prefect.ConcurrencyLimitResponse{
		ID: l.ID, Created: l.Created, Updated: l.Updated, Active: l.Active, Name: l.Name, Limit: l.Limit,
		ActiveSlots: activeSlots(l, now), SlotDecayPerSecond: l.SlotDecayPerSecond,
	}
}

// ReadLimit reads one concurrency limit.
type ReadLimit struct {
	Limit LimitKey
}

// Read answers a *prefect.ConcurrencyLimitResponse; 404 if there is none.
func (q *ReadLimit) Read(tx *store.Tx, now prefect.Time) (any, error) {
	l, err := q.Limit.find(tx)
	if err != nil {
		return nil, err
	}
	return limitResponse(l, now), nil
}

// FindLimits lists concurrency limits by name.
type FindLimits struct {
	Window
}

// Read answers a []*prefect.ConcurrencyLimitResponse.
func (q *FindLimits) Read(tx *store.Tx, now prefect.Time) (any, error) {
	list := []*prefect.ConcurrencyLimitResponse{}
	for l := range store.ConcurrencyLimitsByName.Rows(tx, store.Range{}) {
		list = append(list, limitResponse(l, now))
	}
	return part(q.Window, list), nil
}
