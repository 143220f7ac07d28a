package fsm

import (
	"bytes"
	"crypto/rand"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func pacedFile(t *testing.T) (*Paced, *os.File) {
	file, err := os.Create(filepath.Join(t.TempDir(), "file"))
	require.NoError(t, err)
	t.Cleanup(func() { file.Close() })
	return NewPaced(file), file
}

func TestPacedWritesAll(t *testing.T) {
	p, file := pacedFile(t)
	want := make([]byte, 3*pacedPiece+pacedPiece/2)
	_, err := rand.Read(want)
	require.NoError(t, err)
	n, err := io.CopyBuffer(p, struct{ io.Reader }{bytes.NewReader(want)}, make([]byte, 100_000))
	require.NoError(t, err)
	require.Equal(t, int64(len(want)), n)
	got, err := os.ReadFile(file.Name())
	require.NoError(t, err)
	require.True(t, bytes.Equal(want, got))
	require.NoError(t, file.Close())
	_, err = p.Write(want)
	require.ErrorIs(t, err, os.ErrClosed)
}

// After each piece the disk is others' for as long as the piece took, up to a limit.
func TestPacedRests(t *testing.T) {
	for took, rest := range map[time.Duration]time.Duration{50 * time.Millisecond: 50 * time.Millisecond, time.Hour: maxRest} {
		p, _ := pacedFile(t)
		p.begun = time.Now().Add(-took)
		start := time.Now()
		_, err := p.Write(make([]byte, pacedPiece))
		require.NoError(t, err)
		require.GreaterOrEqual(t, time.Since(start), rest)
		require.Less(t, time.Since(start), time.Minute)
	}
	p, _ := pacedFile(t)
	p.begun = time.Now().Add(-time.Hour)
	for range 100 { // not before a piece is complete
		_, err := p.Write(make([]byte, 10))
		require.NoError(t, err)
	}
	require.Less(t, p.size, int64(pacedPiece))
	require.Zero(t, p.at)
}
