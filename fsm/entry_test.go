package fsm

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"prefectd/store"
)

func TestEntryRoundTrip(t *testing.T) {
	for name, e := range map[string]*Entry{
		"empty":      {Changes: []store.Change{}},
		"deletion":   {Base: 7, Changes: []store.Change{{Table: 3, Key: []byte("key")}}},
		"no value":   {Base: 7, Changes: []store.Change{{Table: 3, Key: []byte("key"), Value: []byte{}}}},
		"large base": {Base: 1<<64 - 1, Changes: []store.Change{{Table: 255, Key: []byte{0}, Value: []byte("x")}}},
		"compressed": {Base: 7, Changes: []store.Change{{Table: 3, Key: []byte("key"), Value: bytes.Repeat([]byte("long "), 5000)}}},
	} {
		for version := byte(entryPlain); version <= entryChecked; version++ {
			t.Run(fmt.Sprint(name, ", version ", version), func(t *testing.T) {
				data := e.encode(version)
				require.Equal(t, version, data[0])
				got, err := Decode(data)
				require.NoError(t, err)
				require.Equal(t, e, got)
				for cut := range data[:min(len(data), 200)] {
					_, err := Decode(data[:cut])
					require.Error(t, err, "cut at %d", cut)
				}
				_, err = Decode(append(data, 0))
				require.Error(t, err)
			})
		}
	}
}

// Any bit that changes in an entry of version 2 is noticed.
func TestDamageIsNoticed(t *testing.T) {
	for name, size := range map[string]int{"small": 30, "compressed": compressFrom} {
		t.Run(name, func(t *testing.T) {
			e := &Entry{Base: 7, Changes: []store.Change{{Table: 3, Key: []byte("key"), Value: bytes.Repeat([]byte{'x'}, size)}}}
			data := e.encode(entryChecked)
			for bit := range 8 * len(data) {
				data[bit/8] ^= 1 << (bit % 8)
				_, err := Decode(data)
				require.Error(t, err, "bit %d", bit)
				data[bit/8] ^= 1 << (bit % 8)
			}
			_, err := Decode(data)
			require.NoError(t, err)
		})
	}
}

// The golden files must be readable for ever. The bytes of a compressed one are up
// to the compressor, so it is only read.
func TestGoldenEntries(t *testing.T) {
	small := &Entry{Base: 300, Changes: []store.Change{
		{Table: 2, Key: []byte{1, 2}, Value: []byte("row")},
		{Table: 9, Key: []byte{3}},
	}}
	large := &Entry{Base: 4711}
	for i := range 600 {
		large.Changes = append(large.Changes, store.Change{
			Table: byte(i % 5), Key: []byte{byte(i >> 8), byte(i)}, Value: []byte(strings.Repeat("row ", 10)),
		})
	}
	for version := byte(entryPlain); version <= entryChecked; version++ {
		golden := readGolden(t, fmt.Sprintf("testdata/entry-v%d.hex", version))
		require.Equal(t, golden, small.encode(version))
		got, err := Decode(golden)
		require.NoError(t, err)
		require.Equal(t, small, got)

		golden = readGolden(t, fmt.Sprintf("testdata/entry-v%d-compressed.hex", version))
		require.Equal(t, []byte{version, flagCompressed}, golden[:headLen])
		got, err = Decode(golden)
		require.NoError(t, err)
		require.Equal(t, large, got)
	}
	require.Equal(t, small.encode(entryPlain), small.Encode())
}

func readGolden(t *testing.T, path string) []byte {
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	data, err := hex.DecodeString(string(bytes.TrimSpace(text)))
	require.NoError(t, err)
	return data
}

func TestUnknownEntriesAreErrorsThatSayWhatToDo(t *testing.T) {
	_, err := Decode([]byte{9, 0, 0})
	require.ErrorContains(t, err, "version 9, this program knows 2: start the version that wrote it")
	_, err = Decode([]byte{1, 0x80, 0})
	require.ErrorContains(t, err, "flags 0x80")
}

func FuzzDecode(f *testing.F) {
	small := &Entry{Base: 1, Changes: []store.Change{{Table: 1, Key: []byte("k"), Value: []byte("v")}, {Table: 2, Key: []byte("gone")}}}
	f.Add(small.Encode())
	f.Add(small.encode(entryChecked))
	large := &Entry{Base: 1, Changes: []store.Change{{Table: 1, Key: []byte("k"), Value: make([]byte, compressFrom)}}}
	f.Add(large.Encode())
	f.Fuzz(func(t *testing.T, data []byte) {
		e, err := Decode(data)
		if err != nil {
			return
		}
		again, err := Decode(e.Encode())
		require.NoError(t, err)
		require.Equal(t, e, again)
	})
}
