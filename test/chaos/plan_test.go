//go:build linux

package chaos

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"
)

// step is a fault of a plan, with its time since the plan's beginning.
type step struct {
	*fault
	class string
	at    time.Duration
	lasts time.Duration
}

// plan is faults one after the other, sometimes one over another. It follows from
// a seed alone; only who leads when its time has come does not.
type plan []step

// overlap is how many faults begin while the one before is there.
const overlap = 0.3

// attempts is how often a fault is drawn that cannot be used.
const attempts = 1000

// newPlan fills a time with faults whose kinds have something in their names.
func newPlan(c *cluster, only string, random *rand.Rand, length time.Duration) (p plan) {
	at := time.Duration(0)
	for unused := 0; unused < attempts; unused++ {
		k := kinds[random.IntN(len(kinds))]
		if k.least > len(c.nodes) {
			continue
		}
		s := step{fault: k.choose(c, random), class: k.class, lasts: draw(random, k.lasts[0], k.lasts[1])}
		if s.fault == nil || !strings.Contains(s.kind, only) {
			continue
		}
		s.at = at + draw(random, 300*time.Millisecond, 2*time.Second)
		if last := len(p) - 1; last >= 0 && random.Float64() < overlap && p[last].end() == at && mayOverlap(p[last].class, s.class) {
			s.at = p[last].at + draw(random, 0, p[last].lasts)
		}
		if s.end() > length {
			return p
		}
		p = append(p, s)
		at, unused = max(at, s.end()), 0
	}
	return p
}

func mayOverlap(a, b string) bool { return a != b && a != everything && b != everything }

func draw(random *rand.Rand, least, most time.Duration) time.Duration {
	return least + time.Duration(random.Int64N(int64(most-least))).Truncate(time.Millisecond)
}

func (s *step) end() time.Duration { return s.at + s.lasts }

// String is a line for each fault.
func (p plan) String() string {
	var b strings.Builder
	for _, s := range p {
		fmt.Fprintf(&b, "\n  %6.2f s for %5.2f s  %s", s.at.Seconds(), s.lasts.Seconds(), s.fault)
	}
	return b.String()
}

// episode is a fault that there was.
type episode struct {
	kind       string
	begin, end time.Time
}

// carryOut injects and heals the faults at their times; after an error it heals
// what is left.
func (p plan) carryOut(ctx context.Context) (done []episode, err error) {
	type moment struct {
		at   time.Duration
		step int
		heal bool
	}
	var moments []moment
	for i, s := range p {
		moments = append(moments, moment{s.at, i, false}, moment{s.end(), i, true})
	}
	slices.SortStableFunc(moments, func(a, b moment) int { return cmp.Compare(a.at, b.at) })
	began := time.Now()
	begun := map[int]time.Time{}
	for _, m := range moments {
		if err == nil {
			err = wait(ctx, time.Until(began.Add(m.at)))
		}
		f := p[m.step].fault
		begin, there := begun[m.step]
		switch {
		case m.heal && there:
			if e := f.heal(ctx); e != nil {
				err = errors.Join(err, fmt.Errorf("heal %s: %w", f, e))
			}
			done = append(done, episode{f.kind, begin, time.Now()})
		case !m.heal && err == nil:
			begun[m.step] = time.Now()
			if e := f.inject(ctx); e != nil {
				err = fmt.Errorf("inject %s: %w", f, e)
			}
		}
	}
	return done, err
}
