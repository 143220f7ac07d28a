package ops

// Shape is the form in which an error is told to a client. The reference has no
// single one, and clients look into some of them.
type Shape byte

// The shapes of errors.
const (
	Detail           Shape = iota // {"detail": text}: what a route refuses
	ExceptionMessage              // {"exception_message": text}: what is missing deeper down
)

// Error is a refusal: an answer that its caller is meant to see. It is the only
// type of error that keeps its identity on the way to the client; any other one
// is a defect and answered with status 500.
type Error struct {
	Status    int               `json:"status"`
	Shape     Shape             `json:"shape"`
	Detail    string            `json:"detail"`
	Retryable bool              `json:"retryable,omitzero"` // the same request may succeed a little later
	Headers   map[string]string `json:"headers,omitempty"`
}

// Error is the text that the client gets.
func (e *Error) Error() string { return e.Detail }

// NotFound is a 404 of a route.
func NotFound(detail string) *Error { return &Error{Status: 404, Detail: detail} }

// NotFoundModel is a 404 in the shape of what is missing deeper down.
func NotFoundModel(message string) *Error {
	return &Error{Status: 404, Shape: ExceptionMessage, Detail: message}
}

// BadRequest is a 400.
func BadRequest(detail string) *Error { return &Error{Status: 400, Detail: detail} }

// Forbidden is a 403.
func Forbidden(detail string) *Error { return &Error{Status: 403, Detail: detail} }

// Conflict is a 409.
func Conflict(detail string) *Error { return &Error{Status: 409, Detail: detail} }

// IntegrityConflict is the 409 for a name that is taken or an object that is
// missing where the reference's database has a constraint.
func IntegrityConflict() *Error {
	return Conflict("Data integrity conflict. This usually means a unique or foreign key constraint was violated. See server logs for details.")
}

// Unprocessable is a 422 with a text, for what the validation of requests cannot
// see.
func Unprocessable(detail string) *Error { return &Error{Status: 422, Detail: detail} }

// Unavailable is a 503: nothing was done, and the request may be sent again.
func Unavailable(detail string) *Error {
	return &Error{Status: 503, Shape: ExceptionMessage, Detail: detail, Retryable: true}
}

// UnknownOutcome is a 502: nobody knows whether the request took place. The stock client
// sends it again all the same.
func UnknownOutcome(detail string) *Error {
	return &Error{Status: 502, Shape: ExceptionMessage, Detail: detail, Retryable: true}
}
