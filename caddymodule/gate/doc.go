// Package gate decides whether a merchant's request may pass: request facts, a
// snapshot and a clock go in, facts for the upstream or a refusal come out.
//
// It decides in two steps, since the body is read between them. [Gate.Admit]
// checks what can be known without the body; [Gate.Verify] checks the MAC over it
// and, last, the nonce. The order is that of the checks' cost, and no byte of a
// body is asked for on behalf of an unknown key, address or time.
//
// A site may run in report-only mode while merchants learn to sign. The gate then
// decides as ever; who asked it passes a refused request on, without identity
// headers (see [DeleteProtected]), and logs and counts the refusal.
//
// The package refuses to do I/O, to read bodies, to write responses, and to know
// Caddy or a database. It never lets a request pass because something it needs is
// away. No value that it returns holds a secret or an expected MAC.
package gate
