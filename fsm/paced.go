package fsm

import (
	"os"
	"time"
)

// Paced writes a large file beside others who bring theirs to the disk all the time:
// in pieces, each of which is on the disk before the next one, with a rest after it that
// is as long as it took. What piled up in memory would come to the disk at once
// sooner or later, and they would have to wait.
type Paced struct {
	file  *os.File
	at    int64     // where the piece begins
	size  int64     // of the piece so far
	begun time.Time // when the piece was begun
}

const (
	pacedPiece = 1 << 20
	maxRest    = 100 * time.Millisecond
)

// NewPaced writes to a file from its beginning on.
func NewPaced(file *os.File) *Paced { return &Paced{file: file, begun: time.Now()} }

// Write writes, and rests if a piece is complete.
func (p *Paced) Write(data []byte) (int, error) {
	n, err := p.file.Write(data)
	if p.size += int64(n); err == nil && p.size >= pacedPiece {
		err = p.rest()
	}
	return n, err
}

func (p *Paced) rest() error {
	if err := writeBack(p.file, p.at, p.size); err != nil {
		return err
	}
	time.Sleep(min(time.Since(p.begun), maxRest))
	p.at, p.size, p.begun = p.at+p.size, 0, time.Now()
	return nil
}
