// Command bench sets prefectd beside the Python Prefect server: the same requests
// to both, in one run on one machine, and a table with the ratios. docs/performance.md
// says how to read it; scripts/bench runs it.
//
//	bench [flags]                 the comparison
//	bench soak [flags]            memory of prefectd under a long load
//	bench cluster [flags]         prefectd on one node, three and five
//	bench size FOLDER             bytes in use in a prefectd data folder
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"
)

// options are the flags of the comparison.
type options struct {
	prefectd string
	venv     string
	folder   string
	json     string
	only     string
	quick    bool
	repeat   int
	rows     string
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	if len(args) > 0 {
		switch args[0] {
		case "soak":
			return soak(ctx, args[1:])
		case "cluster":
			return clusterCommand(ctx, args[1:])
		case "size":
			return printSize(args[1:])
		}
	}
	var o options
	f := flag.NewFlagSet("bench", flag.ContinueOnError)
	f.StringVar(&o.prefectd, "prefectd", "bin/prefectd", "the prefectd binary; none leaves it out")
	f.StringVar(&o.venv, "venv", ".venv", "Python environment with prefect 3.9.1; none leaves the Python server out")
	f.StringVar(&o.folder, "folder", "", "where both keep their data (a new temporary folder)")
	f.StringVar(&o.json, "json", "", "write the figures to this file")
	f.StringVar(&o.only, "only", "", "the parts to run, separated by commas: "+strings.Join(partNames(), ", "))
	f.BoolVar(&o.quick, "quick", false, "a few minutes: short measurements, once, 10,000 runs at most")
	f.IntVar(&o.repeat, "repeat", 3, "how often each workload is measured; the median counts")
	f.StringVar(&o.rows, "rows", "10000,100000", "sizes of the data set for the queries")
	if err := f.Parse(args); err != nil {
		return err
	}
	if f.NArg() > 0 {
		return fmt.Errorf("%q is not understood", f.Arg(0))
	}
	b, err := newBench(&o)
	if err != nil {
		return err
	}
	defer b.close()
	err = b.run(ctx)
	b.report.print(os.Stdout)
	if o.json != "" {
		err = errors.Join(err, b.report.write(o.json))
	}
	if err == nil && b.report.failed() {
		err = errors.New("some figures are missing because of errors")
	}
	return err
}

// part is one subject of the comparison.
type part struct {
	name string
	run  func(b *bench, ctx context.Context) error
}

func parts() []part {
	return []part{
		{"start", (*bench).starts},
		{"runs", (*bench).runs},
		{"taskruns", (*bench).taskRuns},
		{"logs", (*bench).logs},
		{"limits", (*bench).limits},
		{"polls", (*bench).polls},
		{"schedules", (*bench).schedules},
		{"memory", (*bench).memory},
		{"disk", (*bench).disk},
		{"queries", (*bench).queries},
	}
}

func partNames() (names []string) {
	for _, p := range parts() {
		names = append(names, p.name)
	}
	return names
}

// bench is one run of the comparison.
type bench struct {
	opts   *options
	sides  []*side
	report *report
	only   map[string]bool
	remove string // the temporary folder
}

func newBench(o *options) (*bench, error) {
	if o.quick {
		o.repeat, o.rows = 1, "10000"
	}
	b := &bench{opts: o, report: newReport(o), only: map[string]bool{}}
	known := " " + strings.Join(partNames(), " ") + " "
	for name := range strings.SplitSeq(o.only, ",") {
		if name == "" {
			continue
		}
		if !strings.Contains(known, " "+name+" ") {
			return nil, fmt.Errorf("no part %q: there are%s", name, known)
		}
		b.only[name] = true
	}
	if o.folder == "" {
		folder, err := os.MkdirTemp("", "prefectd-bench-")
		if err != nil {
			return nil, err
		}
		o.folder, b.remove = folder, folder
	}
	if o.venv != "none" {
		b.sides = append(b.sides, pythonSide(o))
	}
	if o.prefectd != "none" {
		b.sides = append(b.sides, prefectdSide(o))
	}
	return b, nil
}

func (b *bench) run(ctx context.Context) error {
	for _, p := range parts() {
		if len(b.only) > 0 && !b.only[p.name] {
			continue
		}
		note("%s", p.name)
		if err := p.run(b, ctx); err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
	}
	return nil
}

func (b *bench) close() {
	for _, s := range b.sides {
		s.stop()
	}
	if b.remove != "" {
		os.RemoveAll(b.remove)
	}
}

// alternate runs a measurement on each side in turn, as often as asked for,
// while the other side is paused.
func (b *bench) alternate(ctx context.Context, name, unit string, measure func(s *side) (figure, error)) error {
	for range b.opts.repeat {
		for _, s := range b.sides {
			if err := b.alone(ctx, s); err != nil {
				return err
			}
			f, err := measure(s)
			if ctx.Err() != nil {
				return ctx.Err()
			}
			f.name, f.unit = name, unit
			b.report.add(s, f, err)
		}
	}
	return nil
}

// settle is how long a server that goes on after a pause is left to itself.
const settle = 500 * time.Millisecond

// alone starts or resumes one side and pauses the other.
func (b *bench) alone(ctx context.Context, s *side) error {
	for _, other := range b.sides {
		if other != s {
			other.pause()
		}
	}
	if err := s.start(ctx); err != nil {
		return err
	}
	return sleep(ctx, settle)
}

func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

func note(format string, args ...any) {
	fmt.Fprintf(os.Stderr, time.Now().Format("15:04:05 ")+format+"\n", args...)
}
