package gate

import (
	"fmt"
	"math"
	"time"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

// unavailableRetry is what a caller is told to wait when the gateway cannot tell.
const unavailableRetry = time.Second

func unavailable(f *Facts, cause error) *Refusal {
	r := refuse(AuthUnavailable, f, "The gateway cannot check requests at the moment. Sign the request again and retry.")
	r.Cause, r.RetryAfter = cause, unavailableRetry
	return r
}

// keyInvalid is the one answer for an unknown key, and for any other that does not
// work when the caller has not proven to hold its secret.
func keyInvalid(f *Facts) *Refusal {
	return refuse(KeyInvalid, f, "The API key is not valid. Check X-Unk-Key, or keyid of Signature-Input, against the portal.")
}

// keyDead tells the holder of the secret why the key does not work.
func keyDead(a *Admission) *Refusal {
	var message string
	switch a.dead {
	case reasonRevoked:
		message = "This API key was revoked. Use the merchant's active key."
	case reasonExpired:
		message = "This API key was replaced and its overlap has ended. Use the merchant's active key."
	default:
		message = "The merchant is suspended, so none of its keys is accepted. Ask the platform team."
	}
	details := []Detail{{"reason", a.dead}}
	if at := a.credential.RetireAt(); !at.IsZero() && a.dead != reasonSuspended {
		details = append(details, Detail{"since", at.UTC().Format(time.RFC3339)})
	}
	r := refuse(KeyInvalid, &a.facts, message, details...)
	r.Because = a.dead
	return r
}

func envMismatch(f *Facts, route controlplane.Environment) *Refusal {
	return refuse(EnvMismatch, f,
		fmt.Sprintf("This is a %s key, and only %s keys are accepted here.", f.Environment, route),
		Detail{"key_environment", string(f.Environment)}, Detail{"route_environment", string(route)})
}

func ipNotAllowed(f *Facts) *Refusal {
	if !f.ClientIP.IsValid() {
		return refuse(IPNotAllowed, f, "The address that the request came from cannot be told.")
	}
	ip := f.ClientIP.String()
	return refuse(IPNotAllowed, f, ip+" is not in this merchant's IP allowlist.", Detail{"client_ip", ip})
}

func outOfRange(f *Facts, now, difference, skew int64) *Refusal {
	var message, because string
	switch {
	case difference > skew:
		because = "clock_ahead"
		message = fmt.Sprintf("The timestamp is %d seconds ahead of the gateway's clock; at most %d are allowed. Set your clock by NTP.", difference, skew)
	case difference < -skew:
		because = "clock_behind"
		message = fmt.Sprintf("The timestamp is %d seconds behind the gateway's clock; at most %d are allowed. Set your clock by NTP, and sign each attempt anew.", -difference, skew)
	default:
		because = "signature_expired"
		message = "The signature's own end, the expires parameter, has passed. Sign the request again."
	}
	r := refuse(TimestampOutOfRange, f, message, timeDetails(now, difference, skew)...)
	r.Because = because
	return r
}

// forgotten refuses what could be a replay: the nonces of that time are gone.
func forgotten(f *Facts, now, difference, skew int64) *Refusal {
	r := refuse(TimestampOutOfRange, f,
		"The gateway restarted uncleanly and no longer knows which requests of that moment it has seen. Sign the request again with a fresh timestamp and nonce.",
		timeDetails(now, difference, skew)...)
	r.Because = "nonces_forgotten"
	return r
}

func timeDetails(now, difference, skew int64) []Detail {
	return []Detail{{"server_time", now}, {"difference_seconds", difference}, {"max_seconds", skew}}
}

func rateLimited(f *Facts, wait time.Duration) *Refusal {
	r := refuse(RateLimited, f, "This key has sent too many requests. Wait, then sign and send again.")
	r.RetryAfter = wait
	return r
}

func bodyTooLarge(f *Facts, limit int64) *Refusal {
	return refuse(BodyTooLarge, f, fmt.Sprintf("The body is larger than %d bytes, the most accepted here.", limit), Detail{"max_bytes", limit})
}

func bodyTimeout(f *Facts, limit time.Duration) *Refusal {
	seconds := int64(math.Ceil(limit.Seconds()))
	return refuse(BodyTimeout, f, fmt.Sprintf("The body did not arrive in full within %d seconds.", seconds), Detail{"max_seconds", seconds})
}

func replayed(f *Facts) *Refusal {
	return refuse(RequestReplayed, f,
		"This key has used this nonce before. Sign every attempt with a fresh nonce; if this was a retry, an earlier attempt did reach the gateway.")
}
