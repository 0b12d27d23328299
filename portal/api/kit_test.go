package api

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

const goodToken = "unks_staff_good"

// anyInput stands for the input of every operation: it has what their wildcards
// name, and a field of each kind.
type anyInput struct {
	MerchantID string    `json:"merchant_id" validate:"required"`
	UserID     string    `json:"user_id,omitempty"`
	EntryID    string    `json:"entry_id,omitempty" validate:"required_without=CIDR"`
	CIDR       string    `json:"cidr,omitempty" validate:"excluded_with=EntryID"`
	RequestID  string    `json:"request_id,omitempty"`
	EndpointID string    `json:"endpoint_id,omitempty"`
	DeliveryID string    `json:"delivery_id,omitempty"`
	TokenID    string    `json:"token_id,omitempty"`
	ApprovalID string    `json:"approval_id,omitempty"`
	StaffID    string    `json:"staff_id,omitempty"`
	Name       string    `json:"name,omitempty" validate:"max=10"`
	Limit      int       `json:"limit,omitempty" validate:"min=0,max=1000"`
	Before     int64     `json:"before,omitempty"`
	All        bool      `json:"all,omitempty"`
	Since      time.Time `json:"since,omitzero"`
}

type anyOutput struct {
	Input string `json:"input"`
}

// bench is an API whose operations say what came in, or fail as they are told.
type bench struct {
	testing.TB
	handler http.Handler
	now     time.Time
	fail    error
	last    string
	actor   controlplane.Actor
	logs    *observer.ObservedLogs
}

func newBench(t testing.TB) *bench {
	t.Helper()
	b := &bench{TB: t, now: time.Unix(1_790_000_000, 0)}
	core, logs := observer.New(zapcore.DebugLevel)
	b.logs = logs
	var calls []Call
	for _, r := range Routes() {
		calls = append(calls, Call{
			Operation: r.Operation, Input: reflect.TypeFor[anyInput](), Output: reflect.TypeFor[anyOutput](),
			Do: func(_ context.Context, a controlplane.Actor, input []byte) (any, error) {
				b.last, b.actor = string(input), a
				return anyOutput{string(input)}, b.fail
			},
		})
	}
	var err error
	b.handler, err = New(Config{
		Calls: calls, Clock: func() time.Time { return b.now }, Logger: zap.New(core),
		Authenticate: func(_ context.Context, token controlplane.Secret) (controlplane.Actor, error) {
			if token.Reveal() != goodToken {
				return controlplane.Actor{}, controlplane.Errorf(controlplane.CodeUnauthenticated, "no")
			}
			return controlplane.Actor{Kind: controlplane.ActorStaff, ID: "stf_1", TokenID: "stt_1"}, nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// ask sends a request with the good token; edit changes it.
func (b *bench) ask(method, target, body string, edit ...func(*http.Request)) *httptest.ResponseRecorder {
	b.Helper()
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	r.Header.Set("Authorization", "Bearer "+goodToken)
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for _, e := range edit {
		e(r)
	}
	b.last = ""
	rec := httptest.NewRecorder()
	b.handler.ServeHTTP(rec, r)
	return rec
}

// problem is an answer that has to be one.
func (b *bench) problem(rec *httptest.ResponseRecorder) (p Problem) {
	b.Helper()
	if err := json.Unmarshal(rec.Body.Bytes(), &p); err != nil || p.Status != rec.Code || p.Title == "" || p.Code == "" ||
		rec.Header().Get("Content-Type") != "application/problem+json" || p.RequestID != rec.Header().Get("X-Unk-Request-Id") {
		b.Errorf("HTTP %d %v is no problem: %s (%v)", rec.Code, rec.Header(), rec.Body, err)
	}
	return p
}

var errBroken = errors.New("canary: disk on fire")
