// Package structure holds the rules that the code keeps about itself: who may
// import whom, how long a file and a function may be, what a package may keep at
// its top level, and that the documents point at things that exist. A failure says
// the rule and its reason.
//
// It has no code beside its tests, and does not test what the product does.
package structure
