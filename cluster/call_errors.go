package cluster

import (
	"bytes"
	"context"
	"errors"
	"fmt"
)

// ErrorCodec encodes the errors that are not this package's.
type ErrorCodec interface {
	EncodeError(err error) []byte
	DecodeError(data []byte) error
}

// known are the errors that are told by a letter.
var known = []struct {
	letter byte
	err    error
}{
	{'n', ErrNoLeader},
	{'o', ErrOverloaded},
	{'c', ErrClosed},
	{'u', ErrUnknownOutcome},
	{'d', context.DeadlineExceeded},
	{'x', context.Canceled},
}

const (
	anyError    = 'e' // alone: one that the codec tells
	endOfLetter = ':' // before the text
)

// errNoAnswer is an answer that no node gives.
var errNoAnswer = fmt.Errorf("%w: the other node does not answer as one does", ErrUnknownOutcome)

func (n *Network) encodeError(err error) []byte {
	if isContextError(err) && !Unavailable(err) && !errors.Is(err, ErrUnknownOutcome) {
		// Who gave up in the middle does not know what becomes of it.
		err = &remoteError{[]error{ErrUnknownOutcome, err}, err.Error()}
	}
	var letters []byte
	for _, k := range known {
		if errors.Is(err, k.err) {
			letters = append(letters, k.letter)
		}
	}
	if len(letters) == 0 {
		return append([]byte{anyError}, n.errors.EncodeError(err)...)
	}
	return append(append(letters, endOfLetter), err.Error()...)
}

func isContextError(err error) bool {
	return errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}

func (n *Network) decodeError(data []byte) error {
	if len(data) > 0 && data[0] == anyError {
		return n.errors.DecodeError(data[1:])
	}
	letters, text, ok := bytes.Cut(data, []byte{endOfLetter})
	e := &remoteError{text: string(text)}
	for _, k := range known {
		if bytes.IndexByte(letters, k.letter) >= 0 {
			e.is = append(e.is, k.err)
		}
	}
	if !ok || len(e.is) == 0 {
		return errNoAnswer
	}
	return e
}

// remoteError is an error of another node, with the text that it had there.
type remoteError struct {
	is   []error
	text string
}

func (e *remoteError) Error() string { return e.text }

func (e *remoteError) Unwrap() []error { return e.is }
