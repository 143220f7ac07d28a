package store

import (
	"bytes"
	"encoding/binary"
	"time"

	"prefectd/prefect"
)

// Texts of events and logs are full of UUIDs and instants, whose digits no
// compression finds short. In a compressed row they are written in binary:
// behind one of these bytes, none of which occurs in UTF-8.
const (
	shortID      = 0xf8 // 16 bytes: a UUID in lower case
	shortTime    = 0xf9 // 8 bytes: an instant as the API prints it, with a fraction
	shortISOTime = 0xfa // the same as Python's isoformat prints it
	shortEscape  = 0xfb // 1 byte: one of these bytes itself
)

// shorten appends the short form of data.
func shorten(dst, data []byte) []byte {
	done, from := 0, 0
	for {
		dash := bytes.IndexByte(data[from:], '-')
		if dash < 0 {
			return escape(dst, data[done:])
		}
		dash += from
		from = dash + 1
		if start := dash - 8; start >= done {
			if id, ok := textID(data[start:]); ok {
				dst = append(escape(dst, data[done:start]), shortID)
				dst = append(dst, id[:]...)
				done = start + 36
				from = done
				continue
			}
		}
		if start := dash - 4; start >= done {
			if t, size, ok := textTime(data[start:]); ok {
				mark := byte(shortTime)
				if size == 32 {
					mark = shortISOTime
				}
				dst = append(escape(dst, data[done:start]), mark)
				dst = binary.LittleEndian.AppendUint64(dst, uint64(t))
				done = start + size
				from = done
			}
		}
	}
}

func escape(dst, data []byte) []byte {
	for {
		plain := plainLength(data)
		dst = append(dst, data[:plain]...)
		if plain == len(data) {
			return dst
		}
		dst = append(dst, shortEscape, data[plain])
		data = data[plain+1:]
	}
}

// plainLength is how much of data comes before a byte with a meaning.
func plainLength(data []byte) int {
	for i, c := range data {
		if c >= shortID && c <= shortEscape {
			return i
		}
	}
	return len(data)
}

// lengthen appends what shorten was given.
func lengthen(dst, data []byte) ([]byte, error) {
	for {
		plain := plainLength(data)
		dst = append(dst, data[:plain]...)
		if plain == len(data) {
			return dst, nil
		}
		mark, rest := data[plain], data[plain+1:]
		size := 8
		switch mark {
		case shortID:
			size = 16
		case shortEscape:
			size = 1
		}
		if len(rest) < size {
			return nil, errTruncated
		}
		switch mark {
		case shortID:
			dst = appendTextID(dst, prefect.ID(rest[:16]))
		case shortEscape:
			dst = append(dst, rest[0])
		default:
			zone := "Z"
			if mark == shortISOTime {
				zone = "+00:00"
			}
			t := prefect.Time(binary.LittleEndian.Uint64(rest))
			dst = append(t.Go().AppendFormat(dst, shortLayout), zone...)
		}
		data = rest[size:]
	}
}

// textID reads the UUID at the start of b, if its digits are in lower case.
func textID(b []byte) (id prefect.ID, ok bool) {
	if len(b) < 36 || b[8] != '-' || b[13] != '-' || b[18] != '-' || b[23] != '-' {
		return id, false
	}
	at := 0
	for i := range id {
		if at == 8 || at == 13 || at == 18 || at == 23 {
			at++
		}
		high, low := unhex[b[at]], unhex[b[at+1]]
		if high|low > 15 {
			return id, false
		}
		id[i] = high<<4 | low
		at += 2
	}
	return id, true
}

const hexDigits = "0123456789abcdef"

// unhex is the value of a digit in lower case, 255 for what is none.
var unhex = func() (table [256]byte) {
	for i := range table {
		table[i] = 0xff
	}
	for i := range len(hexDigits) {
		table[hexDigits[i]] = byte(i)
	}
	return table
}()

func appendTextID(dst []byte, id prefect.ID) []byte {
	for i, c := range id {
		if i == 4 || i == 6 || i == 8 || i == 10 {
			dst = append(dst, '-')
		}
		dst = append(dst, hexDigits[c>>4], hexDigits[c&15])
	}
	return dst
}

const shortLayout = "2006-01-02T15:04:05.000000"

// textTime reads the instant at the start of b, and how long its text is: one
// with six digits of fraction, in UTC.
func textTime(b []byte) (t prefect.Time, size int, ok bool) {
	const n = len(shortLayout)
	if len(b) <= n || b[7] != '-' || b[10] != 'T' || b[13] != ':' || b[16] != ':' || b[19] != '.' {
		return 0, 0, false
	}
	switch {
	case b[n] == 'Z':
		size = n + 1
	case bytes.HasPrefix(b[n:], []byte("+00:00")):
		size = n + 6
	default:
		return 0, 0, false
	}
	g, err := time.Parse(shortLayout, string(b[:n]))
	if err != nil || g.Year() == 0 || g.IsZero() {
		return 0, 0, false
	}
	return prefect.TimeOf(g), size, true
}
