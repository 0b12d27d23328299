package portal

import (
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"
)

// pageBudget is what a page may weigh uncached: its HTML, style, script and icon.
const pageBudget = 60_000

// checkPage holds one answer to the rules that every page keeps.
func checkPage(t *testing.T, w *world, rec *httptest.ResponseRecorder) {
	t.Helper()
	doc, err := html.Parse(strings.NewReader(rec.Body.String()))
	w.must(err)
	c := &pageCheck{T: t, ids: map[string]int{}}
	c.collect(doc)
	for n := range doc.Descendants() {
		if n.Type == html.ElementNode {
			c.element(n)
		}
	}
	c.whole()
	if size := rec.Body.Len() + w.assetBytes(); size > pageBudget {
		t.Errorf("%s weighs %d bytes, more than %d", c.title, size, pageBudget)
	}
}

// assetBytes is what a browser fetches beside the page.
func (w *world) assetBytes() (n int) {
	for _, a := range w.handler.(*portal).assets.byName {
		n += len(a.content)
	}
	return n
}

// pageCheck walks the elements of a page.
type pageCheck struct {
	*testing.T
	ids      map[string]int
	labelled []string
	h1, main int
	lang     string
	title    string
	level    int
}

func attr(n *html.Node, name string) string {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}

func hasAttr(n *html.Node, name string) bool {
	return slices.ContainsFunc(n.Attr, func(a html.Attribute) bool { return a.Key == name })
}

func textOf(n *html.Node) string {
	var b strings.Builder
	for d := range n.Descendants() {
		if d.Type == html.TextNode {
			b.WriteString(d.Data)
		}
	}
	return strings.Join(strings.Fields(b.String()), " ")
}

func (c *pageCheck) collect(doc *html.Node) {
	for n := range doc.Descendants() {
		if n.Type != html.ElementNode {
			continue
		}
		if id := attr(n, "id"); id != "" {
			c.ids[id]++
		}
		switch n.DataAtom {
		case atom.Label:
			c.labelled = append(c.labelled, attr(n, "for"))
		case atom.H1:
			c.h1++
		case atom.Main:
			c.main++
		case atom.Html:
			c.lang = attr(n, "lang")
		case atom.Title:
			if n.Parent.DataAtom == atom.Head {
				c.title = textOf(n)
			}
		}
	}
}

func (c *pageCheck) element(n *html.Node) {
	c.Helper()
	for _, a := range n.Attr {
		if a.Key == "style" || strings.HasPrefix(a.Key, "on") {
			c.Errorf("<%s> has the attribute %s, which the policy blocks", n.Data, a.Key)
		}
		if (a.Key == "href" || a.Key == "src" || a.Key == "action") && !strings.HasPrefix(a.Val, "/") && !strings.HasPrefix(a.Val, "#") {
			c.Errorf("<%s> leads out of the portal: %s", n.Data, a.Val)
		}
		if a.Key == "aria-describedby" || a.Key == "aria-labelledby" {
			for _, id := range strings.Fields(a.Val) {
				c.refers(n, id)
			}
		}
	}
	switch n.DataAtom {
	case atom.Script:
		if n.FirstChild != nil {
			c.Error("an inline script")
		}
	case atom.Style:
		c.Error("an inline style sheet")
	case atom.Input, atom.Select, atom.Textarea:
		c.control(n)
	case atom.Button, atom.A:
		c.named(n)
	case atom.Img:
		if !hasAttr(n, "alt") {
			c.Error("an image without alt")
		}
	case atom.Form:
		if attr(n, "method") == "" || attr(n, "action") == "" && attr(n, "method") != "dialog" {
			c.Error("a form without method or action")
		}
		if id := attr(n, "data-confirm"); id != "" {
			c.refers(n, id)
		}
	case atom.H1, atom.H2, atom.H3:
		level := int(n.Data[1] - '0')
		if level > c.level+1 {
			c.Errorf("the heading %q skips a level", textOf(n))
		}
		c.level = level
	}
}

func (c *pageCheck) refers(n *html.Node, id string) {
	c.Helper()
	if c.ids[id] == 0 {
		c.Errorf("<%s> refers to %q, which is not there", n.Data, id)
	}
}

func (c *pageCheck) control(n *html.Node) {
	c.Helper()
	if attr(n, "type") == "hidden" || hasAttr(n, "hidden") {
		return
	}
	if !slices.Contains(c.labelled, attr(n, "id")) && attr(n, "aria-label") == "" {
		c.Errorf("the input %q has no label", attr(n, "name"))
	}
	if attr(n, "type") == "password" && attr(n, "autocomplete") == "" {
		c.Errorf("the password %q does not say what it is to a password manager", attr(n, "name"))
	}
	if attr(n, "type") == "password" && hasAttr(n, "value") {
		c.Errorf("the password %q is sent back", attr(n, "name"))
	}
}

func (c *pageCheck) named(n *html.Node) {
	c.Helper()
	if textOf(n) == "" && attr(n, "aria-label") == "" {
		c.Errorf("a <%s> without a name", n.Data)
	}
	if n.DataAtom == atom.Button && attr(n, "type") == "" {
		c.Errorf("the button %q has no type", textOf(n))
	}
	if href := attr(n, "href"); strings.HasPrefix(href, "#") {
		c.refers(n, href[1:])
	}
}

func (c *pageCheck) whole() {
	c.Helper()
	for id, n := range c.ids {
		if n > 1 {
			c.Errorf("the id %q is there %d times", id, n)
		}
	}
	if c.h1 != 1 || c.main != 1 || c.lang == "" || c.title == "" {
		c.Errorf("h1 %d, main %d, lang %q, title %q", c.h1, c.main, c.lang, c.title)
	}
}
