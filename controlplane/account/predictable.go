package account

import (
	_ "embed"
	"slices"
	"strings"
	"unicode"
)

// commonPasswords are the words that lists of leaked passwords are made of, one a
// line, in lower case. Whole passwords are shorter than [MinPassword] and refused
// by that; what matters here is what longer ones are put together from.
//
//go:embed common.txt
var commonPasswords string

// fold makes spellings of a word alike: case and the usual digits for letters.
func fold(s string) string {
	return strings.Map(func(r rune) rune {
		switch r {
		case '0':
			return 'o'
		case '1', '!', '|':
			return 'i'
		case '3', '€':
			return 'e'
		case '4', '@':
			return 'a'
		case '5', '$':
			return 's'
		case '7', '+':
			return 't'
		case '8':
			return 'b'
		}
		return unicode.ToLower(r)
	}, s)
}

// unpredictable counts the characters of a password that remain when the common
// words, the given words, walks on a keyboard, sequences and repetitions are
// taken out. words are folded.
func unpredictable(password string, words []string) int {
	squeezed := strings.NewReplacer(" ", "", "-", "", "_", "", ".", "", ",", "").Replace(password)
	return min(remainder(password, words), remainder(squeezed, words))
}

func remainder(password string, words []string) int {
	plain := []rune(strings.ToLower(password))
	folded := []rune(fold(password))
	if len(plain) != len(folded) { // a letter whose lower case is longer
		plain = folded
	}
	covered := make([]bool, len(plain))
	for word := range strings.Lines(commonPasswords) {
		word = strings.TrimSuffix(word, "\n")
		cover(covered, plain, []rune(word))
		cover(covered, folded, []rune(fold(word)))
	}
	for _, word := range words {
		cover(covered, folded, []rune(word))
	}
	coverYears(covered, plain)
	coverRuns(covered, plain)
	coverRepetition(covered, plain)
	n := 0
	for _, c := range covered {
		if !c {
			n++
		}
	}
	return n
}

// cover marks every occurrence of word.
func cover(covered []bool, text, word []rune) {
	if len(word) == 0 {
		return
	}
	for i := 0; i+len(word) <= len(text); i++ {
		if slices.Equal(text[i:i+len(word)], word) {
			mark(covered, i, i+len(word))
		}
	}
}

func mark(covered []bool, from, to int) {
	for i := from; i < to; i++ {
		covered[i] = true
	}
}

// coverYears marks what looks like a year of somebody's life.
func coverYears(covered []bool, text []rune) {
	for i := 0; i+4 <= len(text); i++ {
		century := string(text[i : i+2])
		if (century == "19" || century == "20") && unicode.IsDigit(text[i+2]) && unicode.IsDigit(text[i+3]) {
			mark(covered, i, i+4)
		}
	}
}

// minRun is the length from which neighbours count as a run.
const minRun = 3

// walks are the lines of keyboards and of the alphabet along which fingers go,
// forwards and back: the rows of QWERTY, QWERTZ, AZERTY and Thai Kedmanee, the
// columns, and two hands in turn.
func walks() []string {
	return []string{
		"abcdefghijklmnopqrstuvwxyz", "01234567890", "`1234567890-=", "qwertyuiop[]\\", "asdfghjkl;'", "zxcvbnm,./",
		"qwertzuiop", "yxcvbnm", "azertyuiop", "qsdfghjklm", "wxcvbn", "!@#$%^&*()_+",
		"1qaz2wsx3edc4rfv5tgb6yhn7ujm8ik,9ol.0p;/", "zaq1xsw2cde3vfr4bgt5nhy6mju7", "1q2w3e4r5t6y7u8i9o0p", "q1w2e3r4t5y6u7i8o9p0",
		"ๆไำพะัีรนยบล", "ฟหกดเ้่าสวง", "ผปแอิืทมใฝ",
	}
}

// coverRuns marks runs of three or more characters that are neighbours on a walk,
// in either direction, or equal.
func coverRuns(covered []bool, text []rune) {
	steps := []func(a, b rune) bool{func(a, b rune) bool { return a == b }}
	for _, w := range walks() {
		steps = append(steps, func(a, b rune) bool { return strings.Contains(w, string([]rune{a, b})) },
			func(a, b rune) bool { return strings.Contains(w, string([]rune{b, a})) })
	}
	for _, step := range steps {
		start := 0
		for i := 1; i <= len(text); i++ {
			if i < len(text) && step(text[i-1], text[i]) {
				continue
			}
			if i-start >= minRun {
				mark(covered, start, i)
			}
			start = i
		}
	}
}

// coverRepetition leaves of a text that repeats itself only its period.
func coverRepetition(covered []bool, text []rune) {
	for period := 1; period <= len(text)/2; period++ {
		repeats := true
		for i := period; i < len(text) && repeats; i++ {
			repeats = text[i] == text[i-period]
		}
		if repeats {
			mark(covered, period, len(text))
			return
		}
	}
}
