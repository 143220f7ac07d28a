package store

import "prefectd/prefect"

// Saved searches, in the coordination group.
var (
	SavedSearchesByName = &Index[prefect.SavedSearch]{
		Number: 1, Version: 1, Unique: true,
		Keys: func(s *prefect.SavedSearch, k Key, add func(Key)) { add(k.String(s.Name)) },
	}
	SavedSearches = NewTable("saved_searches", 32, idLen,
		func(s *prefect.SavedSearch, k Key) Key { return k.ID(s.ID) },
		SavedSearchesByName)
)
