package gate

import "github.com/unknownpay/merchant-gateway/controlplane/signature"

// Hints are the ids of all mistakes that the gate recognises. They are part of the
// wire contract.
func Hints() (ids []string) {
	for _, m := range append(nearMisses(), standardMisses()...) {
		ids = append(ids, m.id)
	}
	return append(ids,
		"signature_upper_case", "signature_prefix_missing", "signature_base64", "timestamp_date",
		"signature_hex", "signature_base64url", "signature_colons", "digest_hex", "digest_base64url", "digest_colons", "components_not_separated")
}

// Causes are all ids that can stand behind a code: hints, what is wrong with a
// header, and what only logs are told.
func Causes() []string {
	return append(Hints(),
		string(signature.ReasonMissing), string(signature.ReasonRepeated), string(signature.ReasonSyntax), string(signature.ReasonMixed),
		"nominated", "not_signed", "method", "conflict", "target",
		reasonRevoked, reasonExpired, reasonSuspended, "clock_ahead", "clock_behind", "signature_expired", "nonces_forgotten")
}
