package ops

import (
	"errors"
	"fmt"
	"reflect"
	"sync"

	"github.com/fxamacker/cbor/v2"
)

// wire encodes what nodes send each other as CBOR (RFC 8949): fields by name, so that
// one that a version doesn't know is skipped and one that is missing is zero; exact,
// and user data as the bytes that came.
type wire struct {
	cbor.EncMode
	cbor.DecMode
	kinds map[string]*kind
	types map[reflect.Type]*kind
}

var theWire = sync.OnceValue(func() *wire {
	enc, err := cbor.EncOptions{NilContainers: cbor.NilContainerAsNull, ByteArray: cbor.ByteArrayToByteSlice}.EncMode()
	if err != nil {
		panic(err) // the options are constant
	}
	dec, err := cbor.DecOptions{
		MaxArrayElements: 1 << 27, MaxMapPairs: 1 << 27, MaxNestedLevels: 64, FieldNameMatching: cbor.FieldNameMatchingCaseSensitive,
	}.DecMode()
	if err != nil {
		panic(err)
	}
	w := &wire{enc, dec, map[string]*kind{}, map[reflect.Type]*kind{}}
	for _, k := range kinds() {
		w.kinds[k.name], w.types[k.request] = &k, &k
	}
	return w
})

// message is an operation or query on its way.
type message struct {
	Kind string          `cbor:"k"`
	Body cbor.RawMessage `cbor:"b"`
}

func (w *wire) encode(request any) (m message, err error) {
	k := w.types[reflect.TypeOf(request)]
	if k == nil {
		return m, fmt.Errorf("%T cannot be sent", request)
	}
	m.Kind = k.name
	if m.Body, err = w.EncMode.Marshal(request); err != nil {
		return m, fmt.Errorf("encode %s: %w", k.name, err)
	}
	return m, nil
}

func (w *wire) decode(m message) (any, error) {
	k := w.kinds[m.Kind]
	if k == nil {
		// Another node may know it, and this one after its upgrade.
		return nil, Unavailable(fmt.Sprintf("%q is not known to the version of this node", m.Kind))
	}
	request := reflect.New(k.request.Elem()).Interface()
	if err := w.DecMode.Unmarshal(m.Body, request); err != nil {
		return nil, fmt.Errorf("decode %s: %w", m.Kind, err)
	}
	return request, nil
}

func encodeMessage(request any) ([]byte, error) {
	w := theWire()
	m, err := w.encode(request)
	if err != nil {
		return nil, err
	}
	return w.EncMode.Marshal(&m)
}

func decodeMessage(data []byte) (any, error) {
	w := theWire()
	var m message
	if err := w.DecMode.Unmarshal(data, &m); err != nil {
		return nil, fmt.Errorf("decode: %w", err)
	}
	return w.decode(m)
}

// EncodeOperation encodes an operation for another node.
func EncodeOperation(op Operation) ([]byte, error) { return encodeMessage(op) }

// DecodeOperation decodes it.
func DecodeOperation(data []byte) (Operation, error) { return decodeAs[Operation](data) }

// EncodeQuery encodes a query for another node.
func EncodeQuery(q Query) ([]byte, error) { return encodeMessage(q) }

// DecodeQuery decodes it.
func DecodeQuery(data []byte) (Query, error) { return decodeAs[Query](data) }

func decodeAs[R any](data []byte) (r R, err error) {
	request, err := decodeMessage(data)
	if err != nil {
		return r, err
	}
	r, ok := request.(R)
	if !ok {
		return r, fmt.Errorf("%T came where something else was expected", request)
	}
	return r, nil
}

// EncodeAnswer encodes what an operation or query answered.
func EncodeAnswer(request, answer any) ([]byte, error) {
	if answer == nil {
		return nil, nil
	}
	k := theWire().types[reflect.TypeOf(request)]
	if k == nil || k.answer != reflect.TypeOf(answer) {
		return nil, fmt.Errorf("%T answers a %T, which cannot be sent", request, answer)
	}
	data, err := theWire().EncMode.Marshal(outgoing(answer))
	if err != nil {
		return nil, fmt.Errorf("encode answer of %s: %w", k.name, err)
	}
	return data, nil
}

// DecodeAnswer decodes what a request answered.
func DecodeAnswer(request any, data []byte) (any, error) {
	if len(data) == 0 {
		return nil, nil
	}
	w := theWire()
	k := w.types[reflect.TypeOf(request)]
	if k == nil || k.answer == nil {
		return nil, fmt.Errorf("%T has no answer", request)
	}
	if k.answer == reflect.TypeFor[[]error]() {
		var list [][]byte
		if err := w.DecMode.Unmarshal(data, &list); err != nil {
			return nil, fmt.Errorf("decode answer of %s: %w", k.name, err)
		}
		return incoming(list), nil
	}
	answer := reflect.New(k.answer)
	if err := w.DecMode.Unmarshal(data, answer.Interface()); err != nil {
		return nil, fmt.Errorf("decode answer of %s: %w", k.name, err)
	}
	return answer.Elem().Interface(), nil
}

// outgoing makes errors in an answer ones that can be encoded.
func outgoing(answer any) any {
	list, ok := answer.([]error)
	if !ok {
		return answer
	}
	encoded := make([][]byte, len(list))
	for i, err := range list {
		encoded[i] = EncodeError(err)
	}
	return encoded
}

func incoming(encoded [][]byte) (list []error) {
	for _, data := range encoded {
		list = append(list, DecodeError(data))
	}
	return list
}

// sentError is an error on its way: one that a client is to see, or a text.
type sentError struct {
	Error *Error `cbor:"e"`
	Text  string `cbor:"t"`
}

// EncodeError encodes an error for another node.
func EncodeError(err error) []byte {
	s := sentError{Text: err.Error()}
	errors.As(err, &s.Error)
	data, err := theWire().EncMode.Marshal(&s)
	if err != nil {
		panic(err) // it has nothing that could fail
	}
	return data
}

// DecodeError decodes it.
func DecodeError(data []byte) error {
	var s sentError
	switch err := theWire().DecMode.Unmarshal(data, &s); {
	case err != nil:
		return fmt.Errorf("decode error: %w", err)
	case s.Error != nil:
		return s.Error
	}
	return errors.New(s.Text)
}
