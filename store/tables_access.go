package store

import "prefectd/prefect"

// Tokens against cross-site requests, by client, in the coordination group.
var (
	CSRFTokensByExpiration = &Index[prefect.CSRFToken]{
		Number: 1, Version: 1,
		Keys: func(t *prefect.CSRFToken, k Key, add func(Key)) { add(k.Time(t.Expiration)) },
	}
	CSRFTokens = NewTable("csrf_tokens", 38, idLen,
		func(t *prefect.CSRFToken, k Key) Key { return k.Name(t.Client) },
		CSRFTokensByExpiration)
)
