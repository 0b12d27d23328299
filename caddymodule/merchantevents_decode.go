package caddymodule

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"

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
func decodeSubmission(body []byte, keys []string) (s submission, err error) {
	r := &eventReader{d: json.NewDecoder(bytes.NewReader(body))}
	var single controlplane.IngestEvent
	fields := r.eventFields(&single)
	fields["events"] = func(at string) error {
		s.batch = true
		return r.list(at, &s.events)
	}
	names, err := r.object("", fields)
	if err == nil {
		err = r.end()
	}
	if err != nil {
		return s, err
	}
	if s.batch {
		if len(names) > 1 {
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
	d      *json.Decoder
	faults []controlplane.FieldError
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
		field := "data"
		if s.batch {
			field = fmt.Sprintf("events[%d].data", i)
		}
		r.fault(field, "is %d bytes long, more than the %d that one event may have", len(e.Data), controlplane.MaxEventData)
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

// object reads an object field by field; at is what names its fields in faults.
func (r *eventReader) object(at string, fields map[string]func(at string) error) (seen map[string]bool, err error) {
	open, err := r.d.Token()
	if err != nil {
		return nil, r.broken(err)
	}
	if open != json.Delim('{') {
		return nil, controlplane.Errorf(controlplane.CodeInvalid, "%sis not an object; send {…}", orBody(at))
	}
	seen = map[string]bool{}
	for r.d.More() {
		token, err := r.d.Token()
		if err != nil {
			return nil, r.broken(err)
		}
		name, _ := token.(string) // a decoder takes nothing else for a name
		read, known := fields[name]
		if !known || seen[name] {
			read = r.skip(known)
		}
		seen[name] = true
		if err := read(at + shortened(name, 64)); err != nil {
			return nil, err
		}
	}
	if _, err := r.d.Token(); err != nil {
		return nil, r.broken(err)
	}
	return seen, nil
}

func orBody(at string) string {
	if at == "" {
		return "the body "
	}
	return at[:len(at)-1] + " "
}

// skip reads over a value that does not belong there.
func (r *eventReader) skip(known bool) func(string) error {
	return func(at string) error {
		if known {
			r.fault(at, "is given twice")
		} else {
			r.fault(at, "is not known; an event has merchant_id, environment, type and data, and in a batch idempotency_key")
		}
		_, err := r.value()
		return err
	}
}

func (r *eventReader) value() (raw json.RawMessage, err error) {
	if err := r.d.Decode(&raw); err != nil {
		return nil, r.broken(err)
	}
	return raw, nil
}

// list reads the events of a batch, one more than allowed at most.
func (r *eventReader) list(at string, into *[]controlplane.IngestEvent) error {
	open, err := r.d.Token()
	if err != nil {
		return r.broken(err)
	}
	if open != json.Delim('[') {
		return controlplane.InvalidField(at, "must be a list of events")
	}
	for r.d.More() {
		if len(*into) == controlplane.MaxEventBatch {
			return controlplane.InvalidField(at, "has more than %d events; send fewer at once", controlplane.MaxEventBatch)
		}
		var e controlplane.IngestEvent
		fields := r.eventFields(&e)
		fields["idempotency_key"] = r.text(&e.IdempotencyKey)
		if _, err := r.object(fmt.Sprintf("%s[%d].", at, len(*into)), fields); err != nil {
			return err
		}
		*into = append(*into, e)
	}
	if _, err := r.d.Token(); err != nil {
		return r.broken(err)
	}
	return nil
}

func (r *eventReader) eventFields(e *controlplane.IngestEvent) map[string]func(string) error {
	return map[string]func(string) error{
		"merchant_id": r.text(&e.MerchantID),
		"environment": r.text((*string)(&e.Environment)),
		"type":        r.text((*string)(&e.Type)),
		"data": func(string) (err error) {
			e.Data, err = r.value()
			return err
		},
	}
}

func (r *eventReader) text(into *string) func(string) error {
	return func(at string) error {
		raw, err := r.value()
		if err != nil {
			return err
		}
		if raw[0] != '"' || json.Unmarshal(raw, into) != nil {
			r.fault(at, "must be a string")
		}
		return nil
	}
}

// end wants nothing behind the object.
func (r *eventReader) end() error {
	if _, err := r.d.Token(); !errors.Is(err, io.EOF) {
		return controlplane.Errorf(controlplane.CodeInvalid, "there is something behind the JSON object")
	}
	return nil
}
