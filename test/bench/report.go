package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"
)

// report collects the figures and prints them as Markdown.
type report struct {
	Date     string  `json:"date"`
	Machine  string  `json:"machine"`
	Quick    bool    `json:"quick"`
	Repeat   int     `json:"repeat"`
	Load     string  `json:"load_average"`
	Entries  []entry `json:"figures"`
	sections []string
	section  string
}

// entry is one measurement in the JSON file.
type entry struct {
	Section string  `json:"section"`
	Name    string  `json:"name"`
	Unit    string  `json:"unit"`
	Side    string  `json:"side"`
	PerS    float64 `json:"per_s,omitempty"`
	CPU     float64 `json:"cpu_ms,omitempty"`
	P50     float64 `json:"p50_ms,omitempty"`
	P95     float64 `json:"p95_ms,omitempty"`
	Ops     int     `json:"operations,omitempty"`
	Retries int64   `json:"retries,omitempty"`
	Value   float64 `json:"value,omitempty"`
	Error   string  `json:"error,omitempty"`
}

func newReport(o *options) *report {
	return &report{
		Date:    time.Now().UTC().Format("2006-01-02 15:04 MST"),
		Machine: fmt.Sprintf("%s/%s, %d processors", runtime.GOOS, runtime.GOARCH, runtime.NumCPU()),
		Quick:   o.quick, Repeat: o.repeat, Load: loadAverage(),
	}
}

func loadAverage() string {
	line, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "unknown"
	}
	return strings.Fields(string(line))[0]
}

// begin opens a section of the report.
func (r *report) begin(section string) {
	r.section = section
	if !slices.Contains(r.sections, section) {
		r.sections = append(r.sections, section)
	}
}

// add notes a measurement, or why there is none.
func (r *report) add(s *side, f figure, err error) {
	e := entry{
		Section: r.section, Name: f.name, Unit: f.unit, Side: s.name, PerS: f.rate, CPU: ms(f.cpu),
		P50: ms(f.p50), P95: ms(f.p95), Ops: f.ops, Retries: f.retries, Value: f.value,
	}
	if err != nil {
		e.Error = err.Error()
		note("%s, %s: %v", f.name, s.name, err)
	} else {
		note("%-26s %-9s %s", f.name, s.name, e.line())
	}
	r.Entries = append(r.Entries, e)
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

func (e *entry) line() string {
	if e.PerS == 0 {
		return number(e.Value) + " " + e.Unit
	}
	return fmt.Sprintf("%s %s/s, CPU %s ms, p50 %s ms, p95 %s ms, %d retries", number(e.PerS), e.Unit, number(e.CPU), number(e.P50), number(e.P95), e.Retries)
}

func (r *report) failed() bool {
	return slices.ContainsFunc(r.Entries, func(e entry) bool { return e.Error != "" })
}

func (r *report) write(path string) error {
	raw, err := json.MarshalIndent(r, "", " ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(raw, '\n'), 0o644)
}

func (r *report) print(w io.Writer) {
	fmt.Fprintf(w, "%s, %s, load average at the start %s.\n", r.Date, r.Machine, r.Load)
	fmt.Fprintf(w, "A request that was refused (503) or lost its connection was repeated after %s, on both sides; the last column says how often.\n", retryWait)
	for _, section := range r.sections {
		fmt.Fprintf(w, "\n### %s\n\n", section)
		r.printTable(w, section)
	}
}

// row is what both sides came to in one respect.
type row struct {
	name, unit string
	python     entry
	prefectd   entry
}

func (r *report) rows(section string) (rows []*row) {
	for _, e := range r.Entries {
		if e.Section != section {
			continue
		}
		if !slices.ContainsFunc(rows, func(row *row) bool { return row.name == e.Name }) {
			rows = append(rows, &row{name: e.Name, unit: e.Unit})
		}
	}
	for _, row := range rows {
		row.python, row.prefectd = r.median(section, row.name, "python"), r.median(section, row.name, "prefectd")
	}
	return rows
}

// median is the middle of a side's measurements in each respect; an error when
// one of them failed.
func (r *report) median(section, name, side string) (m entry) {
	var all []entry
	for _, e := range r.Entries {
		if e.Section == section && e.Name == name && e.Side == side {
			all = append(all, e)
			m.Retries += e.Retries
			if e.Error != "" {
				m.Error = e.Error
			}
		}
	}
	if len(all) == 0 {
		m.Error = "not measured"
		return m
	}
	middle := func(of func(e *entry) float64) float64 {
		var values []float64
		for i := range all {
			values = append(values, of(&all[i]))
		}
		slices.Sort(values)
		return (values[(len(values)-1)/2] + values[len(values)/2]) / 2
	}
	m.PerS = middle(func(e *entry) float64 { return e.PerS })
	m.CPU = middle(func(e *entry) float64 { return e.CPU })
	m.P50 = middle(func(e *entry) float64 { return e.P50 })
	m.P95 = middle(func(e *entry) float64 { return e.P95 })
	m.Value = middle(func(e *entry) float64 { return e.Value })
	return m
}

func (r *report) printTable(w io.Writer, section string) {
	rows := r.rows(section)
	rated := slices.ContainsFunc(rows, func(row *row) bool { return row.python.PerS > 0 || row.prefectd.PerS > 0 })
	if !rated {
		fmt.Fprintln(w, "| | unit | Python | prefectd | Python / prefectd |\n|---|---|---:|---:|---:|")
		for _, row := range rows {
			fmt.Fprintf(w, "| %s | %s | %s | %s | %s |\n", row.name, row.unit,
				row.python.cell(row.python.Value), row.prefectd.cell(row.prefectd.Value), ratio(&row.python, &row.prefectd, row.python.Value, row.prefectd.Value))
		}
		return
	}
	fmt.Fprintln(w, "| | unit | Python per s | prefectd per s | **throughput ×** | Python CPU ms | prefectd CPU ms | **CPU ×** | Python p50 / p95 ms | prefectd p50 / p95 ms | repeated |")
	fmt.Fprintln(w, "|---|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|")
	for _, row := range rows {
		p, d := &row.python, &row.prefectd
		fmt.Fprintf(w, "| %s | %s | %s | %s | **%s** | %s | %s | **%s** | %s | %s | %d / %d |\n", row.name, row.unit,
			p.cell(p.PerS), d.cell(d.PerS), ratio(p, d, d.PerS, p.PerS),
			p.cell(p.CPU), d.cell(d.CPU), ratio(p, d, p.CPU, d.CPU),
			p.latency(), d.latency(), p.Retries, d.Retries)
	}
}

func (e *entry) cell(v float64) string {
	switch {
	case e.Error == "not measured":
		return "–"
	case e.Error != "":
		return "failed"
	}
	return number(v)
}

func (e *entry) latency() string {
	if e.P50 == 0 {
		return "–"
	}
	return e.cell(e.P50) + " / " + e.cell(e.P95)
}

// ratio is how much better prefectd does: above over below.
func ratio(p, d *entry, above, below float64) string {
	if p.Error != "" || d.Error != "" || below == 0 {
		return "–"
	}
	return number(above / below)
}

// number writes a value with three significant digits.
func number(v float64) string {
	switch {
	case v == 0:
		return "0"
	case v >= 100:
		return thousands(int64(v + 0.5))
	case v >= 10:
		return fmt.Sprintf("%.1f", v)
	case v >= 1:
		return fmt.Sprintf("%.2f", v)
	}
	return fmt.Sprintf("%.3f", v)
}

func thousands(n int64) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
