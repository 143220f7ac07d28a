package prefect

import (
	"bytes"
	"encoding/hex"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/uuid"
)

// ID is a UUID. The zero ID stands for null.
type ID [16]byte

// NoID is the null ID.
var NoID ID

// ParseID reads a UUID as the API accepts it: with or without dashes, in either
// case, also in braces or as a URN.
func ParseID(s string) (ID, error) {
	u, err := uuid.Parse(s)
	return ID(u), err
}

// IsNull reports whether the ID is unset.
func (id ID) IsNull() bool { return id == NoID }

// Slot is the last byte of the ID: it decides which run group holds the object.
func (id ID) Slot() byte { return id[15] }

// WithSlot returns the ID moved to a slot.
func (id ID) WithSlot(slot byte) ID {
	id[15] = slot
	return id
}

// Compare orders IDs as the database does, by their bytes.
func (id ID) Compare(other ID) int { return bytes.Compare(id[:], other[:]) }

func (id ID) String() string { return uuid.UUID(id).String() }

// MarshalJSONTo prints the lower-case form with dashes, or null.
func (id ID) MarshalJSONTo(enc *jsontext.Encoder) error {
	if id == NoID {
		return enc.WriteToken(jsontext.Null)
	}
	var b [38]byte
	b[0], b[37] = '"', '"'
	hex.Encode(b[1:9], id[:4])
	for at, part := range [][]byte{id[4:6], id[6:8], id[8:10], id[10:]} {
		b[9+5*at] = '-'
		hex.Encode(b[10+5*at:], part)
	}
	return enc.WriteValue(b[:])
}

// UnmarshalJSONFrom reads a UUID string or null.
func (id *ID) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	token, err := dec.ReadToken()
	if err != nil {
		return err
	}
	if token.Kind() == 'n' {
		*id = NoID
		return nil
	}
	*id, err = ParseID(token.String())
	return err
}

// MarshalText makes the ID usable as a JSON object key.
func (id ID) MarshalText() ([]byte, error) { return []byte(id.String()), nil }
