package ops

import (
	"fmt"
	"slices"
	"strings"

	"prefectd/prefect"
	"prefectd/store"
)

// The older routes know limits on the task runs of a tag. They are limits under a name
// made of the tag, whose leases say which task runs hold them.

// tagLimit begins the names of limits on tags.
const tagLimit = "tag:"

// TagLimitKey is the id of a limit on a tag, or else the tag.
type TagLimitKey struct {
	ID  prefect.ID
	Tag string
}

func (k *TagLimitKey) find(tx *store.Tx) (*prefect.ConcurrencyLimit, error) {
	l := limitNamed(tx, tagLimit+k.Tag)
	if !k.ID.IsNull() {
		l = store.ConcurrencyLimits.Get(tx, key(k.ID))
	}
	if l == nil || tagOf(l) == nil {
		return nil, NotFound("Concurrency limit not found")
	}
	return l, nil
}

// tagOf is the tag that a limit is on, nil if it is on none.
func tagOf(l *prefect.ConcurrencyLimit) *string {
	tag, ok := strings.CutPrefix(l.Name, tagLimit)
	if !ok || tag == "" {
		return nil
	}
	return &tag
}

func tagLimitOf(tx *store.Tx, l *prefect.ConcurrencyLimit, now prefect.Time) *prefect.TagLimit {
	t := &prefect.TagLimit{ID: l.ID, Created: l.Created, Updated: l.Updated, Tag: *tagOf(l), Limit: l.Limit, ActiveSlots: []prefect.ID{}}
	for lease := range store.LeasesByLimit.Rows(tx, store.Range{Prefix: key(l.ID)}) {
		if lease.HolderType == taskRunHolder && lease.Expiration > now {
			t.ActiveSlots = append(t.ActiveSlots, lease.Holder)
		}
	}
	return t
}

// taskRunHolder is the type of a task run as the holder of a lease.
const taskRunHolder = "task_run"

// SetTagLimit makes a limit on a tag, or changes the one that there is.
type SetTagLimit struct {
	Limit prefect.TagLimitCreate
}

// Run answers an Upserted[prefect.TagLimit].
func (o *SetTagLimit) Run(c *Context) (any, error) {
	l, what := limitNamed(c.Tx, tagLimit+o.Limit.Tag), "updated"
	if l == nil {
		l, what = c.newLimit(tagLimit+o.Limit.Tag, 0), "created"
	}
	l.Limit, l.Updated = o.Limit.Limit, c.Now
	store.ConcurrencyLimits.Put(c.Tx, l)
	return Upserted[prefect.TagLimit]{tagLimitOf(c.Tx, l, c.Now), what == "created"}, c.emitLimit(what, l)
}

// ReadTagLimit reads one limit on a tag.
type ReadTagLimit struct {
	Limit TagLimitKey
}

// Read answers a *prefect.TagLimit; 404 if there is none.
func (q *ReadTagLimit) Read(tx *store.Tx, now prefect.Time) (any, error) {
	l, err := q.Limit.find(tx)
	if err != nil {
		return nil, err
	}
	return tagLimitOf(tx, l, now), nil
}

// FindTagLimits lists the limits on tags, by tag.
type FindTagLimits struct {
	Window
}

// Read answers a []*prefect.TagLimit.
func (q *FindTagLimits) Read(tx *store.Tx, now prefect.Time) (any, error) {
	list := []*prefect.TagLimit{}
	for l := range store.ConcurrencyLimitsByName.Rows(tx, store.Range{}) {
		if tagOf(l) != nil {
			list = append(list, tagLimitOf(tx, l, now))
		}
	}
	return part(q.Window, list), nil
}

// DeleteTagLimit removes a limit on a tag, with the leases on it.
type DeleteTagLimit struct {
	Limit TagLimitKey
}

// Run answers nothing; 404 for an unknown limit.
func (o *DeleteTagLimit) Run(c *Context) (any, error) {
	l, err := o.Limit.find(c.Tx)
	if err != nil {
		return nil, err
	}
	c.endLeasesOn(l)
	store.ConcurrencyLimits.Delete(c.Tx, key(l.ID))
	return nil, c.emitLimit("deleted", l)
}

// endLeasesOn gives back what leases hold that are on a limit.
func (c *Context) endLeasesOn(l *prefect.ConcurrencyLimit) {
	leases := slices.Collect(store.LeasesByLimit.Rows(c.Tx, store.Range{Prefix: key(l.ID)}))
	for _, lease := range leases {
		c.endLease(lease)
	}
}

// heldForGood is how long a slot is held until somebody gives it back.
const heldForGood = 100 * 365 * prefect.Day

// ResetTagLimit takes the slots of a limit on a tag away from those who have them, and
// gives some task runs one each.
type ResetTagLimit struct {
	Tag   string
	Slots []prefect.ID
}

// Run answers nothing; 404 for an unknown limit.
func (o *ResetTagLimit) Run(c *Context) (any, error) {
	k := TagLimitKey{Tag: o.Tag}
	l, err := k.find(c.Tx)
	if err != nil {
		return nil, err
	}
	c.endLeasesOn(l)
	l, _ = k.find(c.Tx)
	l.ActiveSlots, l.ActiveSince, l.Updated = len(o.Slots), c.Now, c.Now
	store.ConcurrencyLimits.Put(c.Tx, l)
	for _, run := range o.Slots {
		c.lease([]*prefect.ConcurrencyLimit{l}, &TakeSlots{Slots: 1, Lease: heldForGood, HolderType: taskRunHolder, Holder: run})
	}
	return nil, nil
}

// TakeTagSlots takes a slot of each tag's limit for a task run, of all or of none.
type TakeTagSlots struct {
	prefect.TagSlots
}

// Run answers a []prefect.MinimalConcurrencyLimit with the tags as names; 423 if a limit
// is full.
func (o *TakeTagSlots) Run(c *Context) (any, error) {
	var limits []*prefect.ConcurrencyLimit
	for _, l := range limitsNamed(c.Tx, tagNames(o.Names)) {
		if l.Limit == 0 {
			return nil, &Error{Status: 423, Detail: fmt.Sprintf(
				`The concurrency limit on tag "%s" is 0 and will deadlock if the task tries to run again.`, *tagOf(l))}
		}
		limits = append(limits, l)
	}
	for _, l := range limits {
		if l.Active && activeSlots(l, c.Now) >= l.Limit {
			return nil, &Error{
				Status: 423, Detail: fmt.Sprintf("Concurrency limit for the %s tag has been reached", *tagOf(limits[0])),
				Headers: map[string]string{"Retry-After": floatText(c.Settings.TagSlotWait.Seconds())},
			}
		}
	}
	taken := []prefect.MinimalConcurrencyLimit{}
	var active []*prefect.ConcurrencyLimit
	for _, l := range limits {
		taken = append(taken, prefect.MinimalConcurrencyLimit{ID: l.ID, Name: *tagOf(l), Limit: l.Limit})
		if l.Active {
			active = append(active, l)
			l.ActiveSlots, l.ActiveSince, l.Updated = activeSlots(l, c.Now)+1, c.Now, c.Now
			store.ConcurrencyLimits.Put(c.Tx, l)
		}
	}
	if len(active) > 0 {
		c.lease(active, &TakeSlots{Slots: 1, Lease: heldForGood, HolderType: taskRunHolder, Holder: o.TaskRunID})
	}
	return taken, nil
}

func tagNames(tags []string) (names []string) {
	for _, tag := range tags {
		names = append(names, tagLimit+tag)
	}
	return names
}

// GiveTagSlots gives back the leases of a task run that are on some tags' limits.
type GiveTagSlots struct {
	prefect.TagSlots
}

// Run answers a []prefect.MinimalConcurrencyLimit.
func (o *GiveTagSlots) Run(c *Context) (any, error) {
	given := []prefect.MinimalConcurrencyLimit{}
	var ids []prefect.ID
	for _, l := range limitsNamed(c.Tx, tagNames(o.Names)) {
		given = append(given, prefect.MinimalConcurrencyLimit{ID: l.ID, Name: l.Name, Limit: l.Limit})
		ids = append(ids, l.ID)
	}
	leases := slices.Collect(store.LeasesByHolder.Rows(c.Tx, store.Range{Prefix: key(o.TaskRunID)}))
	for _, lease := range leases {
		if slices.ContainsFunc(lease.Limits, func(id prefect.ID) bool { return slices.Contains(ids, id) }) {
			c.endLease(lease)
		}
	}
	return given, nil
}
