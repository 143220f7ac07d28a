package crash

import (
	"math/rand/v2"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// drainTime is the longest that a server may take to end after it was asked to.
const drainTime = 15 * time.Second

// TestKilledUnderLoad kills the server at random moments under load: whatever it
// has answered is there after the next start, and no write is there in part.
func TestKilledUnderLoad(t *testing.T) {
	t.Logf("seed %d", *seed)
	random := rand.New(rand.NewPCG(*seed, 0))
	s := newServer(t)
	s.start()
	all := newLoad(t, s)
	for round := range *rounds {
		moment := time.Duration(50+random.IntN(1000)) * time.Millisecond
		before := all.Mark()
		during(t, all, func(ending func()) {
			time.Sleep(moment) // the moment of the kill is the subject
			ending()
			s.kill()
		})
		s.start()
		newest := all.Since(before)
		require.NoError(t, newest.Check(t.Context(), s.client))
		t.Logf("round %d: killed after %s: %s hold", round+1, moment, newest)
	}
	s.kill()
	s.start()
	require.NoError(t, all.Check(t.Context(), s.client))
}

// TestStoppedUnderLoad ends the server by signals under load: it answers what it
// has taken, keeps what it has answered, and exits with 0.
func TestStoppedUnderLoad(t *testing.T) {
	for name, signal := range map[string]syscall.Signal{"SIGTERM": syscall.SIGTERM, "SIGINT": syscall.SIGINT} {
		t.Run(name, func(t *testing.T) {
			s := newServer(t)
			s.start()
			l := newLoad(t, s)
			during(t, l, func(ending func()) {
				time.Sleep(500 * time.Millisecond) // let there be a load
				ending()
				require.NoError(t, s.process.Signal(signal))
				select {
				case <-s.process.Done():
				case <-time.After(drainTime):
					t.Error("the server was still there after its drain time")
					s.kill()
				}
			})
			require.Zero(t, s.process.ExitCode())
			s.start()
			require.NoError(t, l.Check(t.Context(), s.client))
		})
	}
}

// TestSecondSignal ends a server at once that waits for a request.
func TestSecondSignal(t *testing.T) {
	s := newServer(t)
	s.start()
	unfinished := beginRequest(t, s)
	defer unfinished.Close()
	require.NoError(t, s.process.Signal(syscall.SIGINT))
	select {
	case <-s.process.Done():
		require.Zero(t, s.process.ExitCode(), "it didn't wait for the request")
		return
	case <-time.After(300 * time.Millisecond):
	}
	require.NoError(t, s.process.Signal(syscall.SIGINT))
	select {
	case <-s.process.Done():
		require.NotZero(t, s.process.ExitCode())
	case <-time.After(2 * time.Second):
		t.Fatal("the second signal didn't end the server")
	}
	s.start() // and the folder is whole
}
