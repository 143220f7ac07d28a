package ops

import (
	"prefectd/prefect"
	"prefectd/store"
)

// A deployment may limit how many of its runs go on at a time: by a limit of its own,
// which is named after it, or by one that is there anyway and that it may share.

func nameOfOwnLimit(d *prefect.Deployment) string { return "deployment:" + d.ID.String() }

func ownLimit(tx *store.Tx, d *prefect.Deployment) *prefect.ConcurrencyLimit {
	return limitNamed(tx, nameOfOwnLimit(d))
}

// limitRunsOf links a deployment to the limit that was sent; 404 for an unknown one.
func (c *Context) limitRunsOf(d *prefect.Deployment, f *prefect.DeploymentFields) error {
	shared := f.GlobalConcurrencyLimitID
	if !shared.Value.IsNull() && !store.ConcurrencyLimits.Has(c.Tx, key(shared.Value)) {
		return NotFound("Concurrency limit not found")
	}
	if shared.Set {
		d.ConcurrencyLimitID = shared.Value
	}
	switch {
	case !f.ConcurrencyLimit.Set:
	case f.ConcurrencyLimit.Value != nil:
		d.ConcurrencyLimitID = c.setOwnLimit(d, *f.ConcurrencyLimit.Value)
	case shared.Value.IsNull():
		c.removeOwnLimit(d)
		d.ConcurrencyLimitID = prefect.NoID
	}
	return nil
}

// setOwnLimit gives a deployment a limit of its own, or changes it.
func (c *Context) setOwnLimit(d *prefect.Deployment, limit int) prefect.ID {
	own := ownLimit(c.Tx, d)
	if own == nil {
		own = c.newLimit(nameOfOwnLimit(d), limit)
	}
	own.Limit = limit
	store.ConcurrencyLimits.Put(c.Tx, own)
	return own.ID
}

func (c *Context) removeOwnLimit(d *prefect.Deployment) {
	if own := ownLimit(c.Tx, d); own != nil {
		store.ConcurrencyLimits.Delete(c.Tx, key(own.ID))
	}
}

// limitOfDeployment tells of the limit that a deployment is linked to; nil for none, or
// one that is gone.
func limitOfDeployment(tx *store.Tx, id prefect.ID, now prefect.Time) *prefect.ConcurrencyLimitResponse {
	if id.IsNull() {
		return nil
	}
	if l := store.ConcurrencyLimits.Get(tx, key(id)); l != nil {
		return limitResponse(l, now)
	}
	return nil
}
