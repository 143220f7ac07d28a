package schema

import (
	"bytes"
	"reflect"
	"strconv"

	"prefectd/prefect"
)

// taskInputs are the alternatives of a prefect.TaskInput. Sent without an
// input_type, a value that fits several is taken for the first of preference.
var taskInputs = []struct {
	name, inputType, field string
	preference             int
}{
	{"TaskRunResult", "task_run", "id", 3},
	{"FlowRunResult", "flow_run", "id", 4},
	{"Parameter", "parameter", "name", 1},
	{"Constant", "constant", "type", 2},
}

// taskInput is what was sent of a task input: the raw values, nil when absent.
type taskInput struct{ inputType, id, name, typ []byte }

// decodeTaskInput reads one of four models.
func decodeTaskInput(d *decoder, v reflect.Value) {
	start, problems := d.pos, len(d.problems)
	sent, ok := d.taskInput()
	best := 0
	for _, alternative := range taskInputs {
		d.enter(alternative.name)
		if !ok {
			d.report(modelType, start)
		}
		input := prefect.TaskInput{InputType: alternative.inputType}
		if ok && sent.fits(d, &input, alternative.field, start) && (best == 0 || alternative.preference < best) {
			best = alternative.preference
			*v.Addr().Interface().(*prefect.TaskInput) = input
		}
		d.leave()
		if best != 0 {
			d.problems = d.problems[:problems]
		}
	}
}

// taskInput reads the keys of a task input; ok is false for what is no object.
func (d *decoder) taskInput() (sent taskInput, ok bool) {
	if d.kind() != '{' {
		d.skip()
		return sent, false
	}
	for d.open(); d.more(); {
		switch key := d.key(); string(key) {
		case "input_type":
			sent.inputType = d.raw()
		case "id":
			sent.id = d.raw()
		case "name":
			sent.name = d.raw()
		case "type":
			sent.typ = d.raw()
		default:
			d.skip()
		}
	}
	return sent, true
}

// fits fills in a task input of one type, or reports why what was sent is none.
func (s taskInput) fits(d *decoder, input *prefect.TaskInput, field string, start int) bool {
	problems := len(d.problems)
	if s.inputType != nil {
		if name, _ := parseText(s.inputType); name != input.InputType {
			d.reportAt("input_type", choice("literal_error", []string{input.InputType}), s.inputType)
		}
	}
	var f *fault
	raw := map[string][]byte{"id": s.id, "name": s.name, "type": s.typ}[field]
	switch {
	case raw == nil:
		f, raw = missing, d.text[start:d.pos]
	case field == "id":
		input.ID, f = parseID(raw)
	case field == "name":
		input.Name, f = parseText(raw)
	default:
		input.Type, f = parseText(raw)
	}
	if f != nil {
		d.reportAt(field, f, raw)
	}
	return len(d.problems) == problems
}

func (d *decoder) reportAt(key string, f *fault, input []byte) {
	d.enter(key)
	d.reportInput(f, input)
	d.leave()
}

func parseText(raw []byte) (string, *fault) {
	if !isString(raw) {
		return "", stringType
	}
	s, _ := text(raw)
	return s, nil
}

const maxRetryDelays = 50

// decodeRetryDelay reads a number of seconds or a list of them, and keeps it as
// the reference would print it: whole numbers if it can, else floats.
func decodeRetryDelay(d *decoder, v reflect.Value) {
	start := d.pos
	list := d.kind() == '['
	raws := d.delays()
	if len(raws) > maxRetryDelays {
		d.report(valueError("Can not configure more than 50 retry delays per task."), start)
		return
	}
	out, ok := asInts(raws)
	if !ok {
		out, ok = asFloats(raws)
	}
	switch {
	case !ok:
		d.reportDelays(raws, list, start)
	case list:
		v.SetBytes(append(append([]byte{'['}, bytes.Join(out, []byte{','})...), ']'))
	default:
		v.SetBytes(out[0])
	}
}

// delays reads a value and returns it, or the items if it is a list.
func (d *decoder) delays() (raws [][]byte) {
	if d.kind() != '[' {
		return [][]byte{d.raw()}
	}
	for d.open(); d.more(); {
		raws = append(raws, d.raw())
	}
	return raws
}

// asInts prints all values as whole numbers; numbers with a point stay what they
// are unless something else must be converted as well.
func asInts(raws [][]byte) (out [][]byte, ok bool) {
	floats, converted := false, false
	for _, raw := range raws {
		n, f := parseInt(raw)
		if f != nil {
			return nil, false
		}
		floats = floats || isNumber(raw) && isFloat(raw)
		converted = converted || !isNumber(raw)
		out = append(out, strconv.AppendInt(nil, n, 10))
	}
	return out, converted || !floats
}

func asFloats(raws [][]byte) (out [][]byte, ok bool) {
	for _, raw := range raws {
		n, f := parseFloat(raw)
		if f != nil {
			return nil, false
		}
		out = append(out, prefect.AppendFloat(nil, n))
	}
	return out, true
}

// reportDelays says for each alternative why it does not fit.
func (d *decoder) reportDelays(raws [][]byte, list bool, start int) {
	report := func(name string, convert func(raw []byte) *fault) {
		d.enter(name)
		defer d.leave()
		for i, raw := range raws {
			if f := convert(raw); f != nil {
				d.enterItem(i)
				d.reportInput(f, raw)
				d.leave()
			}
		}
	}
	alone := func(name string, f *fault) {
		d.enter(name)
		d.report(f, start)
		d.leave()
	}
	asInt := func(raw []byte) *fault { _, f := parseInt(raw); return f }
	asFloat := func(raw []byte) *fault { _, f := parseFloat(raw); return f }
	if list {
		alone("int", intType)
		alone("float", floatType)
		report("list[int]", asInt)
		report("list[float]", asFloat)
		return
	}
	alone("int", asInt(raws[0]))
	alone("float", asFloat(raws[0]))
	alone("list[int]", listType)
	alone("list[float]", listType)
}
