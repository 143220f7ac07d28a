package node

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"

	"prefectd/cluster"
	"prefectd/prefect"
)

// BackupHeader says what a backup is of.
type BackupHeader struct {
	ClusterID string       `json:"cluster_id"`
	RunGroups int          `json:"run_groups"`
	Level     int          `json:"level"` // of the formats in it; see cluster.Level
	Created   prefect.Time `json:"created"`
	Version   string       `json:"version"` // of the program that made it
}

// A backup file begins with a text and the version of its form, two bytes. What
// follows are frames: a byte that says what it is, the length of its content, and the
// content. Numbers are big endian.
//
//	H  the header, as JSON
//	P  a part begins, that of the group with this number; they come in order
//	D  a piece of it, which is what cluster.Group.Backup wrote
//	E  the end of it: its length, and a SHA-256 of the file up to here
//	Z  the end of the file: a SHA-256 of the file up to here
const (
	backupMagic  = "prefectd backup\n"
	backupFormat = 1

	frameHeader  = 'H'
	framePart    = 'P'
	frameData    = 'D'
	framePartEnd = 'E'
	frameEnd     = 'Z'

	frameHead = 1 + 4
	// maxFrame bounds what a damaged file can make its reader allocate.
	maxFrame = 1 << 20
)

// WriteBackup writes a backup as it comes: part is asked for the state of each group
// in turn, that of the coordination group first, so that no message from there to
// another group gets lost between the two.
func WriteBackup(w io.Writer, h *BackupHeader, part func(group int, w io.Writer) error) error {
	header, err := prefect.Marshal(h)
	if err != nil {
		return err
	}
	b := &backupWriter{to: bufio.NewWriterSize(w, 64<<10), sum: sha256.New()}
	b.write(binary.BigEndian.AppendUint16([]byte(backupMagic), backupFormat))
	b.frame(frameHeader, header)
	for group := range h.RunGroups + 1 {
		b.frame(framePart, binary.BigEndian.AppendUint32(nil, uint32(group)))
		p := &partWriter{backupWriter: b}
		if err := part(group, p); err != nil {
			return err
		}
		b.frame(framePartEnd, b.sum.Sum(binary.BigEndian.AppendUint64(nil, p.size)))
	}
	b.frame(frameEnd, b.sum.Sum(nil))
	return b.to.Flush()
}

// backupWriter sums up what it writes. Its errors stay until the end.
type backupWriter struct {
	to  *bufio.Writer
	sum hash.Hash
}

func (b *backupWriter) write(data []byte) error {
	b.sum.Write(data)
	_, err := b.to.Write(data)
	return err
}

func (b *backupWriter) frame(kind byte, content []byte) error {
	b.write(binary.BigEndian.AppendUint32([]byte{kind}, uint32(len(content))))
	return b.write(content)
}

// partWriter writes the state of a group.
type partWriter struct {
	*backupWriter
	size uint64
}

// Write makes frames of a piece of the state.
func (p *partWriter) Write(data []byte) (n int, err error) {
	for n < len(data) && err == nil {
		piece := data[n:min(n+maxFrame, len(data))]
		err = p.frame(frameData, piece)
		n += len(piece)
	}
	p.size += uint64(n)
	return n, err
}

// CheckBackup reads a whole backup file, and refuses one that is damaged, or too new
// for this program, with one line that names it.
func CheckBackup(path string) (*BackupHeader, error) {
	h, err := readBackup(path, func(_ int, r io.Reader) error {
		_, err := io.Copy(io.Discard, r)
		return err
	})
	if err == nil && h.Level > cluster.Level {
		err = fmt.Errorf("backup %s has formats of level %d, this prefectd knows %d: use version %s, which made it, or a newer one", path, h.Level, cluster.Level, h.Version)
	}
	return h, err
}

// readBackup hands the parts of a backup file to a function, which need not read them
// to their end. What it was given is sure to be what was written when it has read to
// the end, or when readBackup has returned without an error.
func readBackup(path string, part func(group int, r io.Reader) error) (h *BackupHeader, err error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("backup cannot be read: %w", err)
	}
	defer file.Close()
	b := &backupReader{path: path, in: bufio.NewReaderSize(file, 64<<10), sum: sha256.New()}
	if h, err = b.readHeader(); err != nil {
		return nil, err
	}
	for group := range h.RunGroups + 1 {
		content, err := b.expect(framePart)
		if err != nil {
			return nil, err
		}
		if !bytes.Equal(content, binary.BigEndian.AppendUint32(nil, uint32(group))) {
			return nil, b.damaged()
		}
		p := &partReader{backupReader: b}
		if err := part(group, p); err != nil {
			return nil, err
		}
		if _, err := io.Copy(io.Discard, p); err != nil {
			return nil, err
		}
	}
	content, err := b.expect(frameEnd)
	if err != nil {
		return nil, err
	}
	if _, err := b.in.ReadByte(); !errors.Is(err, io.EOF) || !bytes.Equal(content, b.before) {
		return nil, b.damaged()
	}
	return h, nil
}

// backupReader sums up what it reads.
type backupReader struct {
	path    string
	in      *bufio.Reader
	sum     hash.Hash
	before  []byte // sum of what comes before the current frame, if that has a sum
	content []byte // of the current frame
}

func (b *backupReader) damaged() error {
	return fmt.Errorf("backup %s is damaged: use another one", b.path)
}

// read fills a buffer.
func (b *backupReader) read(to []byte) error {
	_, err := io.ReadFull(b.in, to)
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return fmt.Errorf("backup %s is cut off: use another one", b.path)
	case err != nil:
		return fmt.Errorf("backup cannot be read: %w", err)
	}
	return nil
}

func (b *backupReader) readHeader() (*BackupHeader, error) {
	var begin [len(backupMagic) + 2]byte
	if err := b.read(begin[:]); err != nil || string(begin[:len(backupMagic)]) != backupMagic {
		return nil, fmt.Errorf("%s is no backup of prefectd", b.path)
	}
	if format := binary.BigEndian.Uint16(begin[len(backupMagic):]); format != backupFormat {
		return nil, fmt.Errorf("backup %s is of format %d, this prefectd knows format %d: use the version that made it", b.path, format, backupFormat)
	}
	b.sum.Write(begin[:])
	content, err := b.expect(frameHeader)
	if err != nil {
		return nil, err
	}
	h := &BackupHeader{}
	if err := prefect.Unmarshal(content, h); err != nil || h.RunGroups < 1 || h.RunGroups > maxRunGroups {
		return nil, b.damaged()
	}
	return h, nil
}

// frame reads the next frame, whose content is valid until the one after it.
func (b *backupReader) frame() (kind byte, content []byte, err error) {
	var head [frameHead]byte
	if err := b.read(head[:]); err != nil {
		return 0, nil, err
	}
	kind, size := head[0], binary.BigEndian.Uint32(head[1:])
	if size > maxFrame {
		return 0, nil, b.damaged()
	}
	if cap(b.content) < int(size) {
		b.content = make([]byte, size)
	}
	content = b.content[:size]
	if err := b.read(content); err != nil {
		return 0, nil, err
	}
	if kind == framePartEnd || kind == frameEnd {
		b.before = b.sum.Sum(nil)
	}
	b.sum.Write(head[:])
	b.sum.Write(content)
	return kind, content, nil
}

// expect reads a frame of a kind.
func (b *backupReader) expect(kind byte) ([]byte, error) {
	got, content, err := b.frame()
	if err == nil && got != kind {
		err = b.damaged()
	}
	return content, err
}

// partReader reads the state of a group.
type partReader struct {
	*backupReader
	rest []byte // of the current frame
	size uint64
	err  error // io.EOF at the end, when all was as it was written
}

// Read gives the next piece of the state.
func (p *partReader) Read(to []byte) (int, error) {
	for len(p.rest) == 0 {
		if p.err != nil {
			return 0, p.err
		}
		p.rest, p.err = p.next()
	}
	n := copy(to, p.rest)
	p.rest = p.rest[n:]
	return n, nil
}

func (p *partReader) next() ([]byte, error) {
	kind, content, err := p.frame()
	switch {
	case err != nil:
		return nil, err
	case kind == frameData:
		p.size += uint64(len(content))
		return content, nil
	case kind == framePartEnd && bytes.Equal(content, append(binary.BigEndian.AppendUint64(nil, p.size), p.before...)):
		return nil, io.EOF
	}
	return nil, p.damaged()
}
