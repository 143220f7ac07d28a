package ops

import (
	"testing"

	"github.com/stretchr/testify/require"

	"prefectd/prefect"
	"prefectd/store"
)

func TestLeases(t *testing.T) {
	c := newTestCluster(t, 1)
	leases := func() int {
		return view(c, Coordination, func(tx *store.Tx) int { return store.Leases.Count(tx, store.Range{}) })
	}
	kept := must[prefect.ID](c, Coordination, &CreateLease{Duration: prefect.Minute})
	released := must[prefect.ID](c, Coordination, &CreateLease{Duration: prefect.Minute})
	forgotten := must[prefect.ID](c, Coordination, &CreateLease{Duration: prefect.Minute})
	require.Equal(t, 3, leases())

	must[any](c, Coordination, &ReleaseLease{ID: released})
	must[any](c, Coordination, &ReleaseLease{ID: released})
	must[any](c, Coordination, &RenewLease{ID: kept, Duration: prefect.Hour})
	require.Equal(t, 2, leases())

	c.advance(2 * prefect.Minute)
	must[prefect.ID](c, Coordination, &CreateLease{Duration: prefect.Minute})
	require.Equal(t, 2, leases(), "what expired is cleared away")
	must[any](c, Coordination, &RenewLease{ID: kept, Duration: prefect.Hour})
	for _, gone := range []prefect.ID{released, forgotten} {
		_, err := c.Do(t.Context(), Coordination, &RenewLease{ID: gone, Duration: prefect.Hour})
		require.Equal(t, 410, err.(*Error).Status)
	}
}
