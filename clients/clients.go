// Package clients holds the samples that merchants copy: signing a request and
// verifying a webhook in six languages. The documentation and the portal show
// these very files, and the tests run them, so a sample cannot differ from what
// works. It is not a library: nothing here is meant to be imported by a merchant.
package clients

import "embed"

// Language is one set of samples.
type Language struct {
	// Dir is the folder below clients/.
	Dir string
	// Name is what people call the language.
	Name string
	// Sample is the file to copy.
	Sample string
}

// Languages lists the samples in the order in which they are shown.
func Languages() []Language {
	return []Language{
		{"bash", "bash", "unknownpay.sh"},
		{"node", "Node.js", "unknownpay.mjs"},
		{"python", "Python", "unknownpay.py"},
		{"php", "PHP", "unknownpay.php"},
		{"java", "Java", "UnknownPay.java"},
		{"go", "Go", "unknownpay.go"},
	}
}

//go:embed bash/*.sh node/*.mjs python/*.py php/*.php java/*.java go/*.go
var files embed.FS

// Source returns the text of the file that merchants copy.
func (l Language) Source() (string, error) {
	text, err := files.ReadFile(l.Dir + "/" + l.Sample)
	return string(text), err
}
