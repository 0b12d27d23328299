package signature

import "strings"

// timestampLength holds from September 2001 to November 2286, and tells
// seconds from milliseconds by itself.
const timestampLength = 10

// parseTimestamp reads Unix seconds in exactly ten digits.
func parseTimestamp(s string) (seconds int64, ok bool) {
	if len(s) != timestampLength || !allDigits(s) {
		return 0, false
	}
	for i := range len(s) {
		seconds = seconds*10 + int64(s[i]-'0')
	}
	return seconds, true
}

func allDigits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}

func timestampInvalid(header, field, value string) *Error {
	return &Error{
		Code:   CodeTimestampInvalid,
		Header: header,
		Reason: ReasonSyntax,
		Message: field + " must be Unix time in whole seconds, ten digits such as 1767225600" +
			timestampGuess(value) + ".",
	}
}

// timestampGuess names the usual mistakes without quoting the value.
func timestampGuess(s string) string {
	switch {
	case allDigits(s) && len(s) == 13:
		return "; this looks like milliseconds: divide by 1000"
	case allDigits(s) && (len(s) == 16 || len(s) == 19):
		return "; this looks like micro- or nanoseconds: send seconds"
	case len(s) >= len("2026-01-01") && s[4] == '-' && s[7] == '-':
		return "; this looks like an ISO 8601 date: send Unix seconds instead"
	case strings.HasSuffix(s, "GMT"):
		return "; this looks like an HTTP date: send Unix seconds instead"
	case strings.ContainsAny(s, ".,"):
		return "; this has a fraction: cut it off"
	}
	return ""
}
