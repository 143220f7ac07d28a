package schema

import (
	"fmt"
	"reflect"
	"strings"

	"prefectd/prefect"
	"prefectd/prefect/schedules"
)

// checkNameOrEmpty looks at the name of a deployment.
func checkNameOrEmpty(v reflect.Value) *fault {
	if strings.ContainsAny(v.String(), "/%&><") {
		return namesOrEmptyMismatch
	}
	return nil
}

const namePatternOrEmpty = `^[^/%&><]*$`

var namesOrEmptyMismatch = &fault{
	kind: "string_pattern_mismatch",
	msg:  "String should match pattern '" + namePatternOrEmpty + "'",
	ctx:  context("pattern", quote(namePatternOrEmpty)),
}

// checkObject wants the items of a list to be objects.
func checkObject(v reflect.Value) *fault {
	if prefect.JSON(v.Bytes()).Kind() != '{' {
		return dictType
	}
	return nil
}

const maxScheduledRuns = 50

func checkMaxScheduledRuns(v reflect.Value) *fault {
	if v.Int() > maxScheduledRuns {
		return valueError(fmt.Sprintf("`max_scheduled_runs` must be less than or equal to %d.", maxScheduledRuns))
	}
	return nil
}

// decodeSchedule reads a schedule, and keeps it in one form.
func decodeSchedule(d *decoder, v reflect.Value) {
	start, problems := d.pos, len(d.problems)
	var sent schedules.Sent
	programOf(reflect.TypeFor[schedules.Sent]()).decode(d, reflect.ValueOf(&sent).Elem())
	if len(d.problems) > problems {
		return
	}
	printed, err := sent.JSON()
	if err != nil {
		d.report(valueError(err.Error()), start)
		return
	}
	v.SetBytes(printed)
}
