// Package account is how people prove who they are.
//
// It refuses to know HTTP: it sets no cookie and reads no header. Passwords are
// hashed a bounded number at a time, and no error or log line holds one.
package account
