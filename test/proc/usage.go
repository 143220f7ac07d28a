package proc

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// Usage is what a process and its children have used so far.
type Usage struct {
	CPU time.Duration // processor time, of children that ended as well
	RSS int64         // resident memory now, in bytes
	Own int64         // of it, what is no mapped file: the system cannot take it back
}

// tick is the unit of the times in /proc/PID/stat.
const tick = 10 * time.Millisecond

// Usage reads what the process costs; zeros where there is no /proc.
func (p *Process) Usage() Usage { return UsageOf(p.PID) }

// UsageOf reads what a process and its children cost.
func UsageOf(pid int) (u Usage) {
	family := children()
	var add func(pid int)
	add = func(pid int) {
		ticks, _, ok := stat(pid)
		if !ok {
			return
		}
		u.CPU += time.Duration(ticks) * tick
		rss, own := resident(pid)
		u.RSS, u.Own = u.RSS+rss, u.Own+own
		for _, child := range family[pid] {
			add(child)
		}
	}
	add(pid)
	return u
}

// children lists the processes of each parent.
func children() map[int][]int {
	family := map[int][]int{}
	folders, _ := filepath.Glob("/proc/[0-9]*")
	for _, folder := range folders {
		pid, _ := strconv.Atoi(filepath.Base(folder))
		if _, parent, ok := stat(pid); ok {
			family[parent] = append(family[parent], pid)
		}
	}
	return family
}

// stat reads the processor ticks of a process, with those of children that it
// waited for, and its parent.
func stat(pid int) (ticks int64, parent int, ok bool) {
	line, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, 0, false
	}
	// The name, in parentheses, may hold anything; the state comes after it.
	fields := strings.Fields(string(line[strings.LastIndexByte(string(line), ')')+1:]))
	parent, _ = strconv.Atoi(fields[1])
	for _, f := range fields[11:15] { // utime, stime, cutime, cstime
		n, _ := strconv.ParseInt(f, 10, 64)
		ticks += n
	}
	return ticks, parent, true
}

// resident reads how much memory a process holds, and how much of that is no
// mapped file; zeros if it is gone.
func resident(pid int) (rss, own int64) {
	status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	for line := range strings.Lines(string(status)) {
		name, rest, _ := strings.Cut(line, ":")
		if name != "VmRSS" && name != "RssAnon" {
			continue
		}
		kib, _ := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
		if name == "VmRSS" {
			rss = kib << 10
		} else {
			own = kib << 10
		}
	}
	return rss, own
}
