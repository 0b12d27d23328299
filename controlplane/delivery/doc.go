// Package delivery sends the platform's events to merchants' HTTPS endpoints, at
// least once, and writes every attempt down.
//
// The database is the queue: what is not delivered is a row, and the [Engine]
// holds a bounded part of those rows in memory, leased. It decides what is sent
// when: fairly over merchants and endpoints, with retries, a breaker for each
// endpoint, pauses that a receiver asks for, and an end for endpoints that have
// been dead for days. Making one attempt is a [Sender]'s.
//
// The package refuses to take events in, to decide who may see them, and to dial
// an address that a merchant has chosen without checking it.
package delivery
