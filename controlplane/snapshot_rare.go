package controlplane

import (
	"cmp"
	"slices"
)

// rare is what only some rows of a shard have, in their order.
type rare[T any] []rareEntry[T]

type rareEntry[T any] struct {
	row   uint32
	value T
}

func (r rare[T]) at(row uint32) (int, bool) {
	return slices.BinarySearchFunc(r, row, func(e rareEntry[T], row uint32) int { return cmp.Compare(e.row, row) })
}

func (r rare[T]) get(row uint32) (v T, ok bool) {
	if len(r) == 0 {
		return v, false
	}
	i, ok := r.at(row)
	if ok {
		v = r[i].value
	}
	return v, ok
}

// set has the row have the value, or none.
func (r *rare[T]) set(row uint32, v T, has bool) {
	i, found := r.at(row)
	switch {
	case has && found:
		(*r)[i].value = v
	case has:
		*r = slices.Insert(*r, i, rareEntry[T]{row, v})
	case found:
		*r = slices.Delete(*r, i, i+1)
	}
}
