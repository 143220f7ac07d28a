//go:build linux

package chaos

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"prefectd/test/lab"
	"prefectd/test/proc"
)

var (
	rounds    = flag.Int("rounds", 2, "how often faults are laid over a load and everything is checked")
	duration  = flag.Duration("duration", 20*time.Second, "how long the faults of a round go on")
	failovers = flag.Int("failovers", 20, "how often the time of a failover is measured")
	nodes     = flag.Int("nodes", 3, "size of the cluster")
	long      = flag.Bool("long", false, "an hour of rounds, whatever -rounds and -duration say")
	only      = flag.String("only", "", "faults with this in their names, instead of all")
	seed      = flag.Uint64("seed", uint64(time.Now().UnixNano()), "chooses the faults and their moments")
	program   = flag.String("prefectd", "", "a binary to test, instead of one built now")
	figures   = flag.String("figures", "", "a file to which tables of what was measured are added")
)

// impossible is why there is no lab here.
var impossible error

func TestMain(m *testing.M) {
	flag.Parse()
	if *long {
		*rounds, *duration = 40, time.Minute
	}
	code, err := run(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// run builds prefectd outside of the lab, where there is a network, and runs the
// tests inside of it.
func run(m *testing.M) (code int, err error) {
	if lab.Inside() {
		return m.Run(), nil
	}
	if *program == "" {
		folder, err := os.MkdirTemp("", "prefectd-chaos-")
		if err != nil {
			return 1, err
		}
		defer os.RemoveAll(folder)
		if *program, err = proc.Build(folder); err != nil {
			return 1, err
		}
	}
	if *program, err = filepath.Abs(*program); err != nil {
		return 1, err
	}
	code, err = lab.Enter("-prefectd=" + *program)
	if errors.Is(err, lab.ErrImpossible) {
		impossible = err
		return m.Run(), nil
	}
	return code, err
}
