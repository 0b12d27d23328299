// Package outbox tells people by mail what happened to their account and keys:
// it words the notices, puts them into the store's outbox in the transaction of
// what they tell of, and sends them, again and again until a mail server takes
// them.
//
// It refuses to put a secret, a link or anything that an attacker typed into a
// mail: a notice must not teach people to click.
package outbox
