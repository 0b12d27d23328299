// Package thirdparty signs with other people's libraries for RFC 9421 and sends the
// requests through a running gateway, and measures our verifier beside theirs. It is
// a module of its own, so that none of those libraries, nor what they depend on, is
// a dependency of the product.
//
// It has no code beside its tests, and says nothing about the libraries' security.
package thirdparty
