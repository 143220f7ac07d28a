package store

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"regexp"
	"slices"
	"testing"
	"time"
	"unsafe"

	"github.com/klauspost/compress/s2"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"prefectd/prefect"
)

var makeDictionary = flag.String("dictionary", "", "write a new dictionary, made from the samples, to this file")

// samples are rows as stock clients and servers make them.
type samples struct {
	Events []prefect.Event `json:"events"`
	Logs   []prefect.Log   `json:"logs"`
}

func readSamples(t testing.TB) (s samples) {
	data, err := os.ReadFile("testdata/samples.json")
	require.NoError(t, err)
	require.NoError(t, prefect.Unmarshal(data, &s))
	return s
}

// dictionaryOf makes a dictionary: the rows of the samples in their short form.
func dictionaryOf(s samples) []byte {
	var text []byte
	for i := range s.Events {
		text = shorten(text, Events.codec.append(nil, unsafe.Pointer(&s.Events[i]), prefect.AllColumns))
	}
	for i := range s.Logs {
		text = shorten(text, Logs.codec.append(nil, unsafe.Pointer(&s.Logs[i]), prefect.AllColumns))
	}
	return s2.MakeDict(text, nil).Bytes()
}

func TestDictionary(t *testing.T) {
	if *makeDictionary != "" {
		require.NoError(t, os.WriteFile(*makeDictionary, dictionaryOf(readSamples(t)), 0o644))
		t.Log("written")
	}
	const frozen = "84c98d7050367e1da6685f5d4322cc70c40a50dde0c1b568a7ae86abd5cf9859"
	require.Equal(t, frozen, fmt.Sprintf("%x", sha256.Sum256(dictionaryV1)), "rows on disk need this very dictionary")
}

// afresh gives a sample other ids, times and names.
func afresh(r *rand.Rand, sample []byte) []byte {
	known := map[string]string{}
	replace := func(pattern *regexp.Regexp, fresh func(old string) string) {
		sample = pattern.ReplaceAllFunc(sample, func(old []byte) []byte {
			if known[string(old)] == "" {
				known[string(old)] = fresh(string(old))
			}
			return []byte(known[string(old)])
		})
	}
	base := time.Date(2027, 3, 1, 0, 0, 0, 0, time.UTC).Add(time.Duration(r.Int64N(int64(1000 * time.Hour))))
	replace(regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}`), func(string) string {
		id := prefect.ID{0x01, 0xa2, 0x06, byte(r.Uint32()), byte(r.Uint32()), byte(r.Uint32()), 0x70 | byte(r.Uint32N(16))}
		binary.LittleEndian.PutUint64(id[8:], r.Uint64())
		return id.String()
	})
	replace(regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`), func(string) string {
		var id prefect.ID
		binary.LittleEndian.PutUint64(id[:], r.Uint64())
		binary.LittleEndian.PutUint64(id[8:], r.Uint64())
		return id.String()
	})
	replace(regexp.MustCompile(`20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}`), func(string) string {
		base = base.Add(time.Duration(r.Int64N(int64(3 * time.Second))))
		return base.Format(shortLayout)
	})
	replace(regexp.MustCompile(`(resource.name":"|[^_]name":"[a-z])[a-z]{2,}`), func(old string) string {
		at := bytes.LastIndexByte([]byte(old), '"') + 1
		name := []byte(old)
		for i := at; i < len(name); i++ {
			name[i] = byte('a' + r.IntN(26))
		}
		return string(name)
	})
	return sample
}

// TestSizes keeps rows small: ids, times and names are random, the rest is what
// clients and server send.
func TestSizes(t *testing.T) {
	data, err := os.ReadFile("testdata/samples.json")
	require.NoError(t, err)
	var raw struct {
		Events []prefect.JSON `json:"events"`
		Logs   []prefect.JSON `json:"logs"`
	}
	require.NoError(t, prefect.Unmarshal(data, &raw))
	r := rand.New(rand.NewPCG(1, 2))
	kinds := map[string][]int{}
	for i := range 40 * len(raw.Events) {
		var e prefect.Event
		require.NoError(t, prefect.Unmarshal(afresh(r, raw.Events[i%len(raw.Events)]), &e))
		e.Sequence = 1_000_000 + uint64(i)
		kind := fmt.Sprintf("%s/%d", e.Event, len(e.Related))
		kinds[kind] = append(kinds[kind], len(Events.encode(&e)))
	}
	for i := range 40 * len(raw.Logs) {
		var l prefect.Log
		require.NoError(t, prefect.Unmarshal(afresh(r, raw.Logs[i%len(raw.Logs)]), &l))
		kinds["log"] = append(kinds["log"], len(Logs.encode(&l)))
	}
	median := map[string]int{}
	for _, k := range slices.Sorted(maps.Keys(kinds)) {
		v := kinds[k]
		slices.Sort(v)
		median[k] = v[len(v)/2]
		t.Log(k, v[0], median[k], v[len(v)-1])
	}
	require.Less(t, median["prefect.flow-run.Completed/1"], 200)
	require.Less(t, median["prefect.task-run.Pending/2"], 260)
	require.Less(t, median["log"], 150)
}

func TestShorten(t *testing.T) {
	for _, text := range []string{
		"", "-", "plain text", "\xf8\xf9\xfa\xfb\xfc",
		"prefect.flow-run.01a20646-4c1e-7000-8000-0000000000ff and more",
		"01a20646-4c1e-7000-8000-0000000000ff01a20646-4c1e-7000-8000-0000000000ff",
		"01A20646-4c1e-7000-8000-0000000000ff", "01a20646-4c1e-7000-8000-0000000000f",
		"2026-11-23T02:40:25.324788Z", "2026-11-23T02:40:25.324788+00:00", "2026-11-23T02:40:25.324788+01:00",
		"2026-11-23T02:40:25Z", "2026-13-23T02:40:25.324788Z", "2026-02-29T02:40:25.324788Z", "0000-01-01T00:00:00.000000Z",
		"0001-01-01T00:00:00.000000Z", "9999-12-31T23:59:59.999999Z", "2026-11-23T24:00:00.000000Z", "2026-11-23T02:40:25,324788Z",
		"x2026-11-23T02:40:25.324788Z01a20646-4c1e-7000-8000-0000000000ff",
	} {
		back, err := lengthen(nil, shorten(nil, []byte(text)))
		require.NoError(t, err)
		require.Equal(t, text, string(back))
	}
	require.Len(t, shorten(nil, []byte("01a20646-4c1e-7000-8000-0000000000ff")), 17)
	require.Len(t, shorten(nil, []byte("2026-11-23T02:40:25.324788+00:00")), 9)
}

func TestCompressAnything(t *testing.T) {
	piece := rapid.OneOf(
		rapid.SliceOf(rapid.Byte()),
		rapid.Map(rapid.StringMatching(`[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}`), func(s string) []byte { return []byte(s) }),
		rapid.Map(rapid.StringMatching(`[0-9]{4}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-6][0-9]:[0-6][0-9][.,][0-9]{6}(Z|\+00:00)?`), func(s string) []byte { return []byte(s) }),
	)
	rapid.Check(t, func(t *rapid.T) {
		data := bytes.Join(rapid.SliceOfN(piece, 0, 6).Draw(t, "pieces"), nil)
		back, err := decompress(compress(nil, data))
		require.NoError(t, err)
		require.True(t, bytes.Equal(data, back), "%q became %q", data, back)
	})
}

func TestDecompressRefusesGarbage(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		_, _ = decompress(rapid.SliceOf(rapid.Byte()).Draw(t, "data")) // no panic
		_, _ = lengthen(nil, rapid.SliceOf(rapid.Byte()).Draw(t, "short"))
	})
}

func BenchmarkEventRow(b *testing.B) {
	s := readSamples(b)
	b.Run("encode", func(b *testing.B) {
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			Events.encode(&s.Events[i%len(s.Events)])
		}
	})
	var rows [][]byte
	for i := range s.Events {
		rows = append(rows, Events.encode(&s.Events[i]))
	}
	b.Run("decode", func(b *testing.B) {
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			var e prefect.Event
			if err := Events.decode(rows[i%len(rows)], &e); err != nil {
				b.Fatal(err)
			}
		}
	})
}
