package caddymodule

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"unicode/utf8"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

// submission is what one request hands in.
type submission struct {
	events []controlplane.IngestEvent
	batch  bool
}

// decodeSubmission reads {"merchant_id", "environment", "type", "data"} with one
// idempotency key in the header, or {"events": […]} with one in each event. A name
// that is unknown, twice there or in other letters is a mistake: what is silently
// ignored may be what mattered.
func decodeSubmission(body []byte, keys []string) (submission, error) {
	r := &eventReader{d: json.NewDecoder(bytes.NewReader(body))}
	var single controlplane.IngestEvent
	names, err := r.object(alone, &single, singleFields)
	if err == nil {
		err = r.end()
	}
	s := r.submission
	if err != nil {
		return s, err
	}
	if s.batch {
		if names > 1 {
			r.fault("events", "stands alone: put everything else into its elements")
		}
		if len(keys) > 0 {
			r.fault(headerIdempotencyKey, "belongs to a single event; give each event of a batch an idempotency_key of its own")
		}
	} else {
		s.events = []controlplane.IngestEvent{single}
		s.setKey(r, keys)
	}
	return s, r.verdict(s)
}

func (s *submission) setKey(r *eventReader, keys []string) {
	if len(keys) != 1 || keys[0] == "" {
		r.fault(headerIdempotencyKey, "is required, once: the same key makes the same event, however often it is sent")
		return
	}
	s.events[0].IdempotencyKey = keys[0]
}

// eventReader reads the tokens of a body and collects what is wrong with it. An
// error is returned only when there is no sense in reading on.
type eventReader struct {
	d          *json.Decoder
	submission submission
	faults     []controlplane.FieldError
}

// eventField is one that an object may have.
type eventField struct {
	name string
	read func(r *eventReader, e *controlplane.IngestEvent, at place) error
}

// What an event of a batch may have, and a body: an event, or a list of them.
var (
	batchFields  = []eventField{merchantField, environmentField, typeField, dataField, keyField}
	singleFields = []eventField{merchantField, environmentField, typeField, dataField, {"events", (*eventReader).list}}

	merchantField = eventField{"merchant_id", func(r *eventReader, e *controlplane.IngestEvent, at place) error {
		return r.text(&e.MerchantID, at, "merchant_id")
	}}
	environmentField = eventField{"environment", func(r *eventReader, e *controlplane.IngestEvent, at place) error {
		return r.text((*string)(&e.Environment), at, "environment")
	}}
	typeField = eventField{"type", func(r *eventReader, e *controlplane.IngestEvent, at place) error {
		return r.text((*string)(&e.Type), at, "type")
	}}
	dataField = eventField{"data", func(r *eventReader, e *controlplane.IngestEvent, _ place) (err error) {
		e.Data, err = r.value()
		return err
	}}
	keyField = eventField{"idempotency_key", func(r *eventReader, e *controlplane.IngestEvent, at place) error {
		return r.text(&e.IdempotencyKey, at, "idempotency_key")
	}}
)

// place is where an object stands: which of a batch it is, or alone. It is put into
// words only for a fault.
type place int

const alone place = -1

func (p place) of(field string) string {
	if p == alone {
		return field
	}
	return fmt.Sprintf("events[%d].%s", int(p), field)
}

func (p place) String() string {
	if p == alone {
		return "the body"
	}
	return fmt.Sprintf("events[%d]", int(p))
}

func (r *eventReader) fault(field, format string, args ...any) {
	r.faults = append(r.faults, controlplane.FieldError{Field: field, Message: fmt.Sprintf(format, args...)})
}

// verdict is an error if anything is wrong. Too much data has a status of its own.
func (r *eventReader) verdict(s submission) error {
	if len(r.faults) > 0 {
		return &controlplane.Error{Code: controlplane.CodeInvalid, Fields: r.faults}
	}
	for i, e := range s.events {
		if len(e.Data) <= controlplane.MaxEventData {
			continue
		}
		at := alone
		if s.batch {
			at = place(i)
		}
		r.fault(at.of("data"), "is %d bytes long, more than the %d that one event may have", len(e.Data), controlplane.MaxEventData)
	}
	if len(r.faults) > 0 {
		return &intakeError{status: http.StatusRequestEntityTooLarge, code: "TOO_LARGE", message: "an event is too long", fields: r.faults}
	}
	return nil
}

func (r *eventReader) broken(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return controlplane.Errorf(controlplane.CodeInvalid, "the body ends before its JSON does")
	}
	return controlplane.Errorf(controlplane.CodeInvalid, "the body is not JSON at byte %d: %s", r.d.InputOffset(), err.Error())
}

// object reads an object field by field, and returns how many names it has, each
// counted once if it is known.
func (r *eventReader) object(at place, e *controlplane.IngestEvent, fields []eventField) (names int, err error) {
	open, err := r.d.Token()
	if err != nil {
		return 0, r.broken(err)
	}
	if open != json.Delim('{') {
		return 0, controlplane.Errorf(controlplane.CodeInvalid, "%s is not an object; send {…}", at)
	}
	seen := 0 // a bit for each of the fields
	for r.d.More() {
		token, err := r.d.Token()
		if err != nil {
			return 0, r.broken(err)
		}
		name, _ := token.(string) // a decoder takes nothing else for a name
		i := slices.IndexFunc(fields, func(f eventField) bool { return f.name == name })
		switch {
		case i < 0:
			names++
			err = r.skip(at.of(shortened(name, 64)), "is not known; an event has merchant_id, environment, type and data, and in a batch idempotency_key")
		case seen&(1<<i) != 0:
			err = r.skip(at.of(name), "is given twice")
		default:
			names++
			seen |= 1 << i
			err = fields[i].read(r, e, at)
		}
		if err != nil {
			return 0, err
		}
	}
	if _, err := r.d.Token(); err != nil {
		return 0, r.broken(err)
	}
	return names, nil
}

// skip reads over a value that does not belong there.
func (r *eventReader) skip(field, fault string) error {
	r.fault(field, "%s", fault)
	_, err := r.value()
	return err
}

func (r *eventReader) value() (raw json.RawMessage, err error) {
	if err := r.d.Decode(&raw); err != nil {
		return nil, r.broken(err)
	}
	return raw, nil
}

// list reads the events of a batch, one more than allowed at most.
func (r *eventReader) list(_ *controlplane.IngestEvent, _ place) error {
	r.submission.batch = true
	open, err := r.d.Token()
	if err != nil {
		return r.broken(err)
	}
	if open != json.Delim('[') {
		return controlplane.InvalidField("events", "must be a list of events")
	}
	events := &r.submission.events
	for r.d.More() {
		if len(*events) == controlplane.MaxEventBatch {
			return controlplane.InvalidField("events", "has more than %d events; send fewer at once", controlplane.MaxEventBatch)
		}
		var e controlplane.IngestEvent
		if _, err := r.object(place(len(*events)), &e, batchFields); err != nil {
			return err
		}
		*events = append(*events, e)
	}
	if _, err := r.d.Token(); err != nil {
		return r.broken(err)
	}
	return nil
}

// text reads a string. One without escapes is what stands between its quotes: the
// decoder has made sure that it is well formed, but for its UTF-8.
func (r *eventReader) text(into *string, at place, field string) error {
	raw, err := r.value()
	if err != nil {
		return err
	}
	if raw[0] == '"' && bytes.IndexByte(raw, '\\') < 0 && utf8.Valid(raw) {
		*into = string(raw[1 : len(raw)-1])
	} else if raw[0] != '"' || json.Unmarshal(raw, into) != nil {
		r.fault(at.of(field), "must be a string")
	}
	return nil
}

// end wants nothing behind the object.
func (r *eventReader) end() error {
	if _, err := r.d.Token(); !errors.Is(err, io.EOF) {
		return controlplane.Errorf(controlplane.CodeInvalid, "there is something behind the JSON object")
	}
	return nil
}
