package portal

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

// maxExport is how many rows a file has: what a person looks through.
const maxExport = 10_000

// exportRequests answers with the rows that the filters select, as a file for a
// spreadsheet.
func exportRequests(x *exchange) error {
	f := x.loggedForm()
	filter, err := x.loggedFilter(&f, x.session.MerchantID, x.env())
	if err == nil && f.Failed() {
		err = httpError{status: http.StatusBadRequest}
	}
	if err != nil {
		return err
	}
	var b bytes.Buffer
	if err := x.writeRequests(&b, filter); err != nil {
		return err
	}
	h := x.w.Header()
	h.Set("Content-Type", "text/csv; charset=utf-8")
	h.Set("Content-Disposition", fmt.Sprintf(`attachment; filename="requests-%s-%s.csv"`, x.env(), x.clock().UTC().Format("20060102T150405Z")))
	h.Set("Content-Length", strconv.Itoa(b.Len()))
	x.w.WriteHeader(http.StatusOK)
	if x.r.Method == http.MethodHead {
		return nil
	}
	if _, err := x.w.Write(b.Bytes()); err != nil {
		x.cause = err // the reader went away; there is nobody to tell
	}
	return nil
}

func (x *exchange) writeRequests(b *bytes.Buffer, filter controlplane.RequestFilter) error {
	w := csv.NewWriter(b)
	w.UseCRLF = true // RFC 4180
	if err := w.Write([]string{"time", "request_id", "environment", "key_id", "client_ip", "method", "path", "outcome", "code", "cause", "clock"}); err != nil {
		return err
	}
	filter.Limit = 1000
	for written := 0; written < maxExport; {
		found, err := x.service.ListRequests(x.ctx(), x.actor(), filter)
		if err != nil {
			return err
		}
		for _, q := range found {
			if err := w.Write(exportRow(q)); err != nil {
				return err
			}
		}
		if written += len(found); len(found) < filter.Limit {
			break
		}
		filter.Before = found[len(found)-1].ID
	}
	w.Flush()
	return w.Error()
}

func exportRow(q controlplane.LoggedRequest) []string {
	ip, clock := "", ""
	if q.ClientIP.IsValid() {
		ip = q.ClientIP.String()
	}
	if d := q.Why.Difference; d < 0 {
		clock = fmt.Sprintf("%d s behind", -d)
	} else if q.Why.Signed {
		clock = fmt.Sprintf("%d s ahead", d)
	}
	cause := q.Why.Cause
	if cause == "" {
		cause = q.Why.Reason
	}
	row := []string{
		q.At.UTC().Format(time.RFC3339Nano), q.ID, string(q.Environment), q.KeyID, ip, q.Method, q.Path, string(q.Outcome), q.Code, cause, clock,
	}
	for i := range row {
		row[i] = plainCell(row[i])
	}
	return row
}

// plainCell keeps spreadsheets from taking a text for a formula: whoever sends a
// request chooses its method and path, and the merchant opens the file.
func plainCell(s string) string {
	if s != "" && strings.ContainsRune("=+-@\t\r\n", rune(s[0])) {
		return "'" + s
	}
	return s
}
