package store

import "prefectd/prefect"

// Variables, in the coordination group.
var (
	VariablesByName = &Index[prefect.Variable]{
		Number: 1, Version: 1, Unique: true,
		Keys: func(v *prefect.Variable, k Key, add func(Key)) { add(k.String(v.Name)) },
	}
	Variables = NewTable("variables", 30, idLen,
		func(v *prefect.Variable, k Key) Key { return k.ID(v.ID) },
		VariablesByName)
)
