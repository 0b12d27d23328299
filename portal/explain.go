package portal

import (
	"cmp"
	"slices"
)

// explanation is why a request was refused and what to do, as keys of the
// catalogue.
type explanation struct {
	// Check is the one that failed.
	Check string
	What  string
	Fix   string
}

// explainCheck says which of the gateway's checks, in their order, answers with a
// code; empty for a code that is none.
func explainCheck(code string) string {
	return map[string]string{
		"TOO_EARLY": "early", "AUTH_REQUIRED": "shape", "AUTH_MALFORMED": "shape", "TIMESTAMP_INVALID": "shape", "AUTH_UNAVAILABLE": "availability",
		"KEY_INVALID": "key", "ENV_MISMATCH": "environment", "IP_NOT_ALLOWED": "address", "TIMESTAMP_OUT_OF_RANGE": "time", "RATE_LIMITED": "rate",
		"BODY_TOO_LARGE": "body", "BODY_TIMEOUT": "body", "COVERAGE_INSUFFICIENT": "signature", "DIGEST_MISMATCH": "body",
		"SIGNATURE_MISMATCH": "signature", "REQUEST_REPLAYED": "nonce",
	}[code]
}

// refusalCodes are the codes in the order of the checks.
func refusalCodes() []string {
	return []string{
		"TOO_EARLY", "AUTH_REQUIRED", "AUTH_MALFORMED", "TIMESTAMP_INVALID", "AUTH_UNAVAILABLE", "KEY_INVALID", "ENV_MISMATCH", "IP_NOT_ALLOWED",
		"TIMESTAMP_OUT_OF_RANGE", "RATE_LIMITED", "BODY_TOO_LARGE", "BODY_TIMEOUT", "COVERAGE_INSUFFICIENT", "DIGEST_MISMATCH", "SIGNATURE_MISMATCH",
		"REQUEST_REPLAYED",
	}
}

// refusalCauses are what can stand behind a code: what is wrong with a header, the
// state of a key, and the mistakes that the gateway recognises.
func refusalCauses() []string {
	return []string{
		"missing", "repeated", "syntax", "mixed_schemes", "nominated", "not_signed", "method", "conflict", "target",
		"revoked", "expired", "merchant_suspended", "clock_ahead", "clock_behind", "signature_expired", "nonces_forgotten",
		"timestamp_milliseconds", "timestamp_date", "signature_upper_case", "signature_prefix_missing", "signature_base64", "signature_hex",
		"signature_base64url", "signature_colons", "digest_hex", "digest_base64url", "digest_colons", "components_not_separated",
		"query_left_out", "query_sorted", "query_reencoded", "path_decoded", "body_newline_added", "body_newline_removed", "body_line_endings",
		"body_bom", "body_empty_hash", "method_lower_case", "host_port", "host_case", "body_hash_encoding", "secret_base64_decoded",
		"secret_hex_decoded", "secret_other_environment", "body_json_compact", "query_question_mark", "path_empty", "target_uri_scheme",
		"params_order", "params_serialisation", "params_left_out", "base_newline_added",
		causeEmptyAllowlist, causeLiveMismatch,
	}
}

// Causes that only the portal can tell.
const (
	causeEmptyAllowlist = "empty_allowlist"
	causeLiveMismatch   = "live_mismatch"
)

// explain is the one table of explanations, for logged requests and for those that
// are pasted: the first cause that is known, or else what the code alone says.
func explain(code string, causes ...string) explanation {
	id := code
	for _, cause := range causes {
		if slices.Contains(refusalCauses(), cause) {
			id = cause
			break
		}
	}
	return explanation{
		Check: "explain.check." + cmp.Or(explainCheck(code), "shape"),
		What:  "explain.what." + id, Fix: "explain.fix." + id,
	}
}

// Explains reports whether there is an explanation for a code, or for a cause
// behind it.
func Explains(code, cause string) bool {
	return explainCheck(code) != "" && (cause == "" || slices.Contains(refusalCauses(), cause))
}
