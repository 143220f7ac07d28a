package ops

import (
	"bytes"

	"prefectd/prefect"
)

// fieldChanges are what an update changed of an object, as its event tells it.
type fieldChanges struct {
	Fields  []string               `json:"updated_fields"`
	Updates map[string]fieldChange `json:"updates"`
}

type fieldChange struct {
	From prefect.JSON `json:"from"`
	To   prefect.JSON `json:"to"`
}

// add notes a field, if its values differ.
func (f *fieldChanges) add(name string, from, to any) error {
	var change fieldChange
	var err error
	if change.From, err = prefect.Marshal(from); err != nil {
		return err
	}
	if change.To, err = prefect.Marshal(to); err != nil {
		return err
	}
	if sameJSON(change.From, change.To) {
		return nil
	}
	if f.Updates == nil {
		f.Updates = map[string]fieldChange{}
	}
	f.Fields, f.Updates[name] = append(f.Fields, name), change
	return nil
}

// sameJSON compares values without regard to blanks and the order of keys.
func sameJSON(a, b prefect.JSON) bool {
	if bytes.Equal(a, b) {
		return true
	}
	a, b = a.Clone(), b.Clone()
	return a.Canonicalize() == nil && b.Canonicalize() == nil && bytes.Equal(a, b)
}
