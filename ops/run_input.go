package ops

import (
	"errors"

	"prefectd/ops/inputschema"
	"prefectd/prefect"
	"prefectd/store"
)

// takeRunInput brings the input of a resume into the form in which the run reads
// it, and holds it to what the pause asked for. It answers what is wrong, empty if
// nothing is.
func takeRunInput(c *Context, run prefect.ID, keyset prefect.StringMap, sent prefect.JSON, from *inputschema.Sources) (input prefect.JSON, refusal string) {
	input, err := inputschema.Hydrate(orObject(sent), from)
	if err != nil {
		return nil, "Error hydrating run input: " + err.Error()
	}
	stored := store.FlowRunInputsByKey.Find(c.Tx, key(run).String(keyset["schema"]))
	if stored == nil {
		return nil, "Run input schema not found."
	}
	schema := prefect.JSON(stored.Value)
	if !schema.IsValid() {
		return nil, "Run input schema is not valid JSON."
	}
	var violation *inputschema.Violation
	err = inputschema.Validate(input, schema)
	switch {
	case err == nil:
		return input, ""
	case errors.As(err, &violation):
		return nil, "Reason: " + violation.Text
	case errors.Is(err, inputschema.ErrCircular):
		return nil, "Invalid schema: Unable to validate schema with circular references."
	}
	return nil, "Invalid schema: " + err.Error()
}

// keepRunInput stores the input of a resume where the run looks for it.
func keepRunInput(c *Context, run prefect.ID, name string, input prefect.JSON) error {
	if store.FlowRunInputsByKey.Has(c.Tx, key(run).String(name)) {
		return IntegrityConflict()
	}
	store.FlowRunInputs.Put(c.Tx, &prefect.FlowRunInput{
		ID: c.NewID(run.Slot()), Created: c.Now, Updated: c.Now, FlowRunID: run, Key: name, Value: string(input),
	})
	return nil
}
