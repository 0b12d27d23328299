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
	// Example is the program that sends one request with it.
	Example string
	// Run is the command that starts the example.
	Run string
}

// Languages lists the samples in the order in which they are shown.
func Languages() []Language {
	return []Language{
		{"bash", "bash", "unknownpay.sh", "call.sh", "bash call.sh"},
		{"node", "Node.js", "unknownpay.mjs", "call.mjs", "node call.mjs"},
		{"python", "Python", "unknownpay.py", "call.py", "python3 call.py"},
		{"php", "PHP", "unknownpay.php", "call.php", "php call.php"},
		{"java", "Java", "UnknownPay.java", "Call.java", "javac *.java && java Call"},
		{"go", "Go", "unknownpay.go", "call/main.go", "go run ./call"},
	}
}

//go:embed bash/*.sh node/*.mjs python/*.py php/*.php java/*.java go/*.go go/call/*.go
var files embed.FS

// Source returns the text of the file that merchants copy.
func (l Language) Source() (string, error) {
	text, err := files.ReadFile(l.Dir + "/" + l.Sample)
	return string(text), err
}

// ExampleSource returns the text of the program that sends one request.
func (l Language) ExampleSource() (string, error) {
	text, err := files.ReadFile(l.Dir + "/" + l.Example)
	return string(text), err
}
