package ops

import (
	"fmt"
	"slices"
	"strings"

	"prefectd/prefect"
	"prefectd/store"
)

// TakeSlots takes slots of several limits, of all or of none.
type TakeSlots struct {
	Names []string
	Slots int
	Rate  bool // all have to be rate limits
	// Lease, if any, is for how long they are taken; else until they are given back.
	Lease      prefect.Duration
	HolderType string
	Holder     prefect.ID
}

// SlotsTaken is what became of it.
type SlotsTaken struct {
	Limits []prefect.MinimalConcurrencyLimit // those of the names that there are
	Lease  prefect.ID
	// Full says that nothing was taken, and Wait after how many seconds to try again.
	Full bool
	Wait float64
}

// Run answers a SlotsTaken; 422 for what can never be had.
func (o *TakeSlots) Run(c *Context) (any, error) {
	taken := SlotsTaken{Limits: []prefect.MinimalConcurrencyLimit{}}
	var active []*prefect.ConcurrencyLimit
	for _, l := range limitsNamed(c.Tx, o.Names) {
		if l.Active {
			active = append(active, l)
		}
		taken.Limits = append(taken.Limits, prefect.MinimalConcurrencyLimit{ID: l.ID, Name: l.Name, Limit: l.Limit})
	}
	if err := o.check(active); err != nil {
		return nil, err
	}
	full := slices.ContainsFunc(active, func(l *prefect.ConcurrencyLimit) bool { return activeSlots(l, c.Now) > l.Limit-o.Slots })
	if full {
		taken.Full, taken.Wait = true, c.slotsWait(active, o.Slots)
		return taken, nil
	}
	for _, l := range active {
		l.ActiveSlots, l.DeniedSlots = activeSlots(l, c.Now)+o.Slots, c.deniedSlots(l)
		l.Updated, l.ActiveSince, l.DeniedSince = c.Now, c.Now, c.Now
		store.ConcurrencyLimits.Put(c.Tx, l)
	}
	if o.Lease > 0 {
		taken.Lease = c.lease(active, o)
	}
	return taken, nil
}

// limitsNamed finds the limits of some names, each once, in the order of their names.
func limitsNamed(tx *store.Tx, names []string) (list []*prefect.ConcurrencyLimit) {
	for _, name := range slices.Compact(slices.Sorted(slices.Values(names))) {
		if l := limitNamed(tx, name); l != nil {
			list = append(list, l)
		}
	}
	return list
}

func (o *TakeSlots) check(active []*prefect.ConcurrencyLimit) error {
	var steady []string
	for _, l := range active {
		if l.Limit < o.Slots {
			return Unprocessable("Slots requested is greater than the limit")
		}
		if l.SlotDecayPerSecond == 0 {
			steady = append(steady, l.Name)
		}
	}
	if o.Rate && len(steady) > 0 {
		return Unprocessable(fmt.Sprintf("Only concurrency limits with slot decay can be used for rate limiting. "+
			"The following limits do not have a decay configured: '%s'", strings.Join(steady, ",")))
	}
	return nil
}

// lease makes a lease of what was just taken.
func (c *Context) lease(limits []*prefect.ConcurrencyLimit, o *TakeSlots) prefect.ID {
	lease := &store.Lease{
		ID: c.freshID(), Created: c.Now, Expiration: c.Now.Add(o.Lease), Slots: o.Slots, HolderType: o.HolderType, Holder: o.Holder,
	}
	for _, l := range limits {
		lease.Limits = append(lease.Limits, l.ID)
	}
	store.Leases.Put(c.Tx, lease)
	return lease.ID
}

// slotsWait is how long to wait for slots that were refused, in seconds
// (reference/concurrency.md, "423 Locked"). The refusal itself is not noted: the reference
// takes its note back with the rest of the request.
func (c *Context) slotsWait(active []*prefect.ConcurrencyLimit, slots int) float64 {
	var worst *prefect.ConcurrencyLimit
	most := -1.0
	for _, l := range active {
		blocking := float64(slots + c.deniedSlots(l))
		if l.SlotDecayPerSecond == 0 {
			blocking /= float64(l.Limit)
		}
		if blocking > most {
			worst, most = l, blocking
		}
	}
	average := most / float64(worst.SlotDecayPerSecond)
	if worst.SlotDecayPerSecond == 0 {
		longest := c.slotWait(worst)
		average = min(min(float64(worst.AvgOccupancySeconds), longest)*most, longest)
	}
	return clampedPoisson(max(average, 0), 0.3, c.Rand.Float64())
}

// slotWait is the longest that somebody is told to wait for a slot, in seconds.
func (c *Context) slotWait(l *prefect.ConcurrencyLimit) float64 {
	if strings.HasPrefix(l.Name, tagLimit) {
		return c.Settings.TagSlotWait.Seconds()
	}
	return c.Settings.GlobalSlotWait.Seconds()
}

// GiveSlots gives slots back that were taken without a lease.
type GiveSlots struct {
	Names     []string
	Slots     int
	Occupancy float64 // seconds that they were held; 0 if that is not known
}

// Run answers a []prefect.MinimalConcurrencyLimit.
func (o *GiveSlots) Run(c *Context) (any, error) {
	given := []prefect.MinimalConcurrencyLimit{}
	for _, l := range limitsNamed(c.Tx, o.Names) {
		given = append(given, prefect.MinimalConcurrencyLimit{ID: l.ID, Name: l.Name, Limit: l.Limit})
		if l.Active {
			c.giveSlots(l, o.Slots, o.Occupancy)
		}
	}
	return given, nil
}

// giveSlots gives slots of one limit back. Occupancy is how long they were held, in
// seconds, if that is known; it goes into the average.
func (c *Context) giveSlots(l *prefect.ConcurrencyLimit, slots int, occupancy float64) {
	l.ActiveSlots, l.DeniedSlots = max(0, activeSlots(l, c.Now)-slots), c.deniedSlots(l)
	l.Updated, l.ActiveSince, l.DeniedSince = c.Now, c.Now, c.Now
	if occupancy > 0 && l.Limit > 0 {
		each := max(occupancy/float64(slots), 0.1)
		l.AvgOccupancySeconds += prefect.Float((each - float64(l.AvgOccupancySeconds)) / (2 * float64(l.Limit)))
	}
	store.ConcurrencyLimits.Put(c.Tx, l)
}

// floatText is a number as the reference writes it in headers.
func floatText(f float64) string { return string(prefect.AppendFloat(nil, f)) }

// Locked is the refusal of slots, 423.
func Locked(wait float64) error {
	return &Error{Status: 423, Detail: "Locked", Headers: map[string]string{"Retry-After": floatText(wait)}}
}
