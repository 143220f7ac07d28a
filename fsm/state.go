package fsm

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/hashicorp/raft"

	"prefectd/store"
)

// State is what a state file says of itself: how much of the log it holds.
type State struct {
	Index uint64 // of the last log entry that it holds
	Term  uint64 // of that entry
	// Base is the index of the last entry that changed rows: what the next one
	// has to be evaluated on.
	Base uint64
	// Configuration is the newest membership up to Index, and ConfigurationIndex
	// that of the entry it came with.
	Configuration      raft.Configuration
	ConfigurationIndex uint64
}

// Names and forms of what is kept in the state file besides the tables, all
// numbers big endian.
const (
	metaApplied       = "applied"       // index, term, base
	metaConfiguration = "configuration" // index, and the membership as Raft encodes it
)

var errState = errors.New("state file says something unreadable about how far it is")

// StateOf reads the state that a view of the file shows.
func StateOf(tx *store.Tx) (s State, err error) {
	if err := s.readMark(tx.Meta(metaApplied)); err != nil {
		return s, err
	}
	v := tx.Meta(metaConfiguration)
	if v == nil {
		return s, nil
	}
	if len(v) < 8 {
		return s, errState
	}
	defer func() {
		if r := recover(); r != nil { // how Raft answers bytes that are no configuration
			err = fmt.Errorf("%w: %v", errState, r)
		}
	}()
	s.ConfigurationIndex = binary.BigEndian.Uint64(v)
	s.Configuration = raft.DecodeConfiguration(v[8:])
	return s, nil
}

// Base reads only what an entry that is evaluated on this view has to name.
func Base(tx *store.Tx) (uint64, error) {
	var s State
	err := s.readMark(tx.Meta(metaApplied))
	return s.Base, err
}

func (s *State) readMark(v []byte) error {
	switch len(v) {
	case 0:
	case 24:
		s.Index = binary.BigEndian.Uint64(v)
		s.Term = binary.BigEndian.Uint64(v[8:])
		s.Base = binary.BigEndian.Uint64(v[16:])
	default:
		return errState
	}
	return nil
}

func (s *State) mark() []byte {
	v := binary.BigEndian.AppendUint64(make([]byte, 0, 24), s.Index)
	v = binary.BigEndian.AppendUint64(v, s.Term)
	return binary.BigEndian.AppendUint64(v, s.Base)
}

func configurationMark(log *raft.Log) []byte {
	return append(binary.BigEndian.AppendUint64(nil, log.Index), log.Data...)
}
