package portal

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"

	textlang "golang.org/x/text/language"
)

// language is the catalogue of one language.
type language struct {
	tag   string
	texts map[string]string
}

// catalogue holds all languages; the first is the fallback.
type catalogue struct {
	languages []*language
	matcher   textlang.Matcher
}

// catalogueOrder: the fallback first.
func catalogueOrder() []string { return []string{"en", "th"} }

// loadCatalogue reads all texts; those in the folder instead, if it is named, take the
// place of others, where one page speaks to different people.
func loadCatalogue(files fs.FS, instead string) (*catalogue, error) {
	c := &catalogue{}
	var tags []textlang.Tag
	for _, tag := range catalogueOrder() {
		l, err := loadLanguage(files, tag)
		if err == nil && instead != "" {
			err = l.replace(files, path.Join("text", instead, tag+".json"))
		}
		if err != nil {
			return nil, fmt.Errorf("text catalogue %s: %w", tag, err)
		}
		c.languages = append(c.languages, l)
		tags = append(tags, textlang.Make(tag))
	}
	c.matcher = textlang.NewMatcher(tags)
	return c, nil
}

// loadLanguage reads the files of one language: en.json, en.merchant.json and so
// on. A key that stands in two of them would have the text of either.
func loadLanguage(files fs.FS, tag string) (*language, error) {
	names, err := fs.Glob(files, path.Join("text", tag+".*"))
	if err != nil || len(names) == 0 {
		return nil, fmt.Errorf("no files: %w", errors.Join(err, fs.ErrNotExist))
	}
	l := &language{tag: tag, texts: map[string]string{}}
	for _, name := range names {
		texts, err := readTexts(files, name)
		if err != nil {
			return nil, err
		}
		for key, text := range texts {
			if _, twice := l.texts[key]; twice {
				return nil, fmt.Errorf("%s: the key %q stands in another file too", name, key)
			}
			l.texts[key] = text
		}
	}
	return l, nil
}

func readTexts(files fs.FS, name string) (texts map[string]string, err error) {
	raw, err := fs.ReadFile(files, name)
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(raw, &texts); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return texts, nil
}

// replace puts the texts of a file in the place of those that are there.
func (l *language) replace(files fs.FS, name string) error {
	texts, err := readTexts(files, name)
	for key, text := range texts {
		if _, found := l.texts[key]; !found {
			return fmt.Errorf("%s: there is no text %q to replace", name, key)
		}
		l.texts[key] = text
	}
	return err
}

// byTag returns the language, or nil.
func (c *catalogue) byTag(tag string) *language {
	for _, l := range c.languages {
		if l.tag == tag {
			return l
		}
	}
	return nil
}

// choose takes what the reader chose, or else what the browser asks for.
func (c *catalogue) choose(chosen, acceptLanguage string) *language {
	if l := c.byTag(chosen); l != nil {
		return l
	}
	// A header longer than this is not a person's list of languages.
	if len(acceptLanguage) > 200 {
		return c.languages[0]
	}
	_, i := textlang.MatchStrings(c.matcher, acceptLanguage)
	return c.languages[i]
}

// text returns a text with its placeholders filled in. A key that is not there is
// an error, so that no page can show one to a person.
func (l *language) text(key string, args ...any) (string, error) {
	s, found := l.texts[key]
	if !found {
		return "", fmt.Errorf("no text %q in %s", key, l.tag)
	}
	if len(args) == 0 {
		return s, nil
	}
	if len(args)%2 != 0 {
		return "", fmt.Errorf("text %q: placeholders come in pairs of name and value", key)
	}
	pairs := make([]string, len(args))
	for i := 0; i < len(args); i += 2 {
		pairs[i], pairs[i+1] = fmt.Sprintf("{%v}", args[i]), fmt.Sprint(args[i+1])
	}
	return strings.NewReplacer(pairs...).Replace(s), nil
}
