// Package demo tries the demo as its user would: it starts "make run", pastes the
// printed lines into a shell, follows the README's signing by hand, stops the demo
// with ^C and starts it again. It tests nothing that a user cannot see.
package demo
