package api

import (
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

// maxBody bounds the body of a request, in bytes.
const maxBody = 64 << 10

// input puts path, query and body together to the one JSON object that the
// operation takes.
func (x *exchange) input(call Call) ([]byte, error) {
	fields, err := x.rest(call.Input)
	if err != nil {
		return nil, err
	}
	for _, name := range x.route.wildcards() {
		// By the decoder's folding "Merchant_ID" is merchant_id, too.
		for given := range fields {
			if strings.EqualFold(given, name) {
				return nil, controlplane.InvalidField(name, "stands in the path; leave it out here")
			}
		}
		if fields[name], err = json.Marshal(x.r.PathValue(name)); err != nil {
			return nil, err
		}
	}
	return json.Marshal(fields)
}

// rest is what does not stand in the path.
func (x *exchange) rest(in reflect.Type) (map[string]json.RawMessage, error) {
	if !x.route.hasBody() {
		return fromQuery(in, x.r.URL.RawQuery)
	}
	if x.r.URL.RawQuery != "" {
		return nil, refused(http.StatusBadRequest, "this address takes its input as JSON in the body, and no query")
	}
	return x.fromBody()
}

func (x *exchange) fromBody() (map[string]json.RawMessage, error) {
	body, err := io.ReadAll(http.MaxBytesReader(x.w, x.r.Body, maxBody))
	if errors.As(err, new(*http.MaxBytesError)) {
		return nil, refused(http.StatusRequestEntityTooLarge, "the body is larger than %d bytes", maxBody)
	}
	if err != nil {
		return nil, refused(http.StatusBadRequest, "the body could not be read")
	}
	if len(body) == 0 {
		return map[string]json.RawMessage{}, nil
	}
	media, _, err := mime.ParseMediaType(x.r.Header.Get("Content-Type"))
	if err != nil || media != "application/json" {
		return nil, refused(http.StatusUnsupportedMediaType, "send the body as Content-Type: application/json")
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(body, &fields); err != nil || fields == nil {
		return nil, controlplane.Errorf(controlplane.CodeInvalid, "the body is not one JSON object")
	}
	return fields, nil
}

// fromQuery gives each parameter the JSON type of its field.
func fromQuery(in reflect.Type, raw string) (map[string]json.RawMessage, error) {
	query, err := url.ParseQuery(raw)
	if err != nil {
		return nil, controlplane.Errorf(controlplane.CodeInvalid, "the query is not well-formed")
	}
	kinds := map[string]reflect.Type{}
	for _, f := range fieldsOf(in) {
		kinds[f.name] = f.Type
	}
	out := map[string]json.RawMessage{}
	for name, values := range query {
		kind, known := kinds[name]
		switch {
		case !known:
			return nil, controlplane.Errorf(controlplane.CodeInvalid, "the query has a parameter that this address does not take; it takes: %s", strings.Join(namesOf(in), ", "))
		case len(values) != 1:
			return nil, controlplane.InvalidField(name, "is there more than once")
		}
		if out[name], err = queryValue(kind, values[0]); err != nil {
			return nil, controlplane.InvalidField(name, "must be %v", err)
		}
	}
	return out, nil
}

func namesOf(in reflect.Type) []string {
	var names []string
	for _, f := range fieldsOf(in) {
		names = append(names, f.name)
	}
	slices.Sort(names)
	return names
}

var errNumber, errFlag, errTime = errors.New("a whole number"), errors.New("true or false"), errors.New("a time such as 2026-01-31T15:04:05Z")

func queryValue(kind reflect.Type, text string) (json.RawMessage, error) {
	switch {
	case kind == reflect.TypeFor[time.Time]():
		if _, err := time.Parse(time.RFC3339, text); err != nil {
			return nil, errTime
		}
	case kind.Kind() == reflect.Int || kind.Kind() == reflect.Int64:
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return nil, errNumber
		}
		return strconv.AppendInt(nil, n, 10), nil
	case kind.Kind() == reflect.Bool:
		if text != "true" && text != "false" {
			return nil, errFlag
		}
		return json.RawMessage(text), nil
	}
	return json.Marshal(text)
}
