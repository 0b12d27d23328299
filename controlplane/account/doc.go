// Package account is how people prove who they are: passwords, second factors,
// sessions and the counters that slow guessing down, for the users of merchants
// and for the platform's staff.
//
// Every step of a sign-in is a method of [Service] that takes the token of a
// session and returns the token of the next one. Attempts are counted before they
// are checked, in a transaction of their own, so that neither a failed request nor
// two hundred at once get more tries than are allowed.
//
// The package refuses to know HTTP: it sets no cookie and reads no header. No
// error, log line or audit row of it holds a password, a code or a token.
package account
