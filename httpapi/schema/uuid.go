package schema

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"prefectd/prefect"
)

// parseID reads a UUID: 32 digits, or with dashes, then also in braces or as a
// URN.
func parseID(raw []byte) (id prefect.ID, f *fault) {
	if !isString(raw) {
		return id, uuidType
	}
	if digits := raw[1 : len(raw)-1]; len(digits) == 36 && hyphenated(digits, &id) {
		return id, nil
	}
	s, whole := text(raw)
	if !whole {
		return id, stringUnicode
	}
	s = unwrapUUID(s)
	if b := []byte(s); len(b) == 32 && hexBytes(id[:], b) || len(b) == 36 && hyphenated(b, &id) {
		return id, nil
	}
	return id, parsing("uuid_parsing", "Input should be a valid UUID, ", uuidError(s))
}

// unwrapUUID removes what a text of the right length has around the UUID.
func unwrapUUID(s string) string {
	switch {
	case len(s) == 38 && s[0] == '{' && s[37] == '}':
		return s[1:37]
	case len(s) == 45:
		return strings.TrimPrefix(s, "urn:uuid:")
	}
	return s
}

func hyphenated(b []byte, id *prefect.ID) bool {
	return b[8] == '-' && b[13] == '-' && b[18] == '-' && b[23] == '-' &&
		hexBytes(id[:4], b[:8]) && hexBytes(id[4:6], b[9:13]) && hexBytes(id[6:8], b[14:18]) &&
		hexBytes(id[8:10], b[19:23]) && hexBytes(id[10:], b[24:])
}

func hexBytes(dst, digits []byte) bool {
	for i := range dst {
		hi, lo := hexValue[digits[2*i]], hexValue[digits[2*i+1]]
		if hi|lo > 15 {
			return false
		}
		dst[i] = hi<<4 | lo
	}
	return true
}

// groupStarts are where the groups of a UUID with dashes begin, and where a
// sixth one would.
var groupStarts = [...]int{0, 9, 14, 19, 24, 37}

// uuidError says why s, unwrapped, is no UUID.
func uuidError(s string) string {
	body, offset, simple := s, 0, true
	switch {
	case len(s) > 45:
		return fmt.Sprintf("invalid length: found %d", len(s))
	case len(s) == 36:
		simple = false
	case len(s) >= 2 && s[0] == '{' && s[len(s)-1] == '}':
		body, offset, simple = s[1:len(s)-1], 1, false
	case strings.HasPrefix(s, "urn:uuid:"):
		body, offset, simple = s[9:], 9, false
	}
	var dashes []int
	for i, r := range body {
		switch {
		case r == '-':
			dashes = append(dashes, i)
		case r >= utf8.RuneSelf || !isHex(byte(r)):
			return fmt.Sprintf("invalid character: found `%c` at %d", r, i+offset)
		}
	}
	switch {
	case len(dashes) == 0 && simple:
		return fmt.Sprintf("invalid length: found %d", len(s))
	case len(dashes) != 4:
		return fmt.Sprintf("invalid group count: expected 5, found %d", len(dashes)+1)
	}
	group := 0
	for group < 4 && dashes[group] == groupStarts[group+1]-1 {
		group++
	}
	end := len(s) // as the reference counts, braces and all
	if group < 4 {
		end = dashes[group]
	}
	return fmt.Sprintf("invalid group length in group %d: expected %d, found %d",
		group, groupStarts[group+1]-groupStarts[group]-1, end-groupStarts[group])
}
