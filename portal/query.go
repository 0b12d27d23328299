package portal

import (
	"net/url"
	"strings"
	"unicode/utf8"
)

// maxQueryValue bounds what a page takes from its address.
const maxQueryValue = 200

// query returns a value of the address; text that no page of ours puts there is
// taken for nothing.
func (x *exchange) query(name string) string {
	v := strings.TrimSpace(x.r.URL.Query().Get(name))
	if len(v) > maxQueryValue || !utf8.ValidString(v) || strings.ContainsRune(v, 0) {
		return ""
	}
	return v
}

// here is the address of the present page with one value of its query replaced.
func (x *exchange) here(name, value string) string {
	q := x.queries()
	q.Set(name, value)
	return x.r.URL.Path + "?" + q.Encode()
}

// queryWithout is the query of the present page without one of its values.
func (x *exchange) queryWithout(name string) string {
	q := x.queries()
	q.Del(name)
	return q.Encode()
}

func (x *exchange) queries() url.Values {
	q := url.Values{}
	for key := range x.r.URL.Query() {
		if v := x.query(key); v != "" {
			q.Set(key, v)
		}
	}
	return q
}
