package portal

import (
	"net/http"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

// importPage takes a list, says line by line what it would do, and then does it.
type importPage struct {
	form
	Subject subject
	Text    string
	// Preview is what the list would do; nil before anything was sent.
	Preview *controlplane.ImportedAllowlist
	Lines   []importRow
}

type importRow struct {
	controlplane.ImportLine
	// Wrong says in the reader's language what is wrong.
	Wrong string
}

func (p importPage) title() (string, []any) {
	return "merchants.import.title", []any{"name", p.Subject.Name}
}

// Ready: the list as it is can be added.
func (p importPage) Ready() bool {
	return p.Preview != nil && p.Preview.Wrong == 0 && p.Preview.Added > 0
}

func showImport(x *exchange) error {
	s, err := findAllowlist(x)
	if err != nil {
		return err
	}
	return x.render(http.StatusOK, "merchants.import", x.importPage(s))
}

func (x *exchange) importPage(s subject) importPage {
	p := importPage{Subject: s, Text: x.value("text"), form: form{Fields: []field{{
		Name: "note", Label: "merchants.import.note", Hint: "merchants.import.note.hint", Value: x.value("note"), Autocomplete: "off", MaxLength: maxReasonInput,
	}}}}
	if x.session.Role == controlplane.RolePlatformAdmin {
		p.Fields = append(p.Fields, field{
			Name: "break_glass", Label: "field.break_glass", Hint: "field.break_glass.hint", Value: x.value("break_glass"), Autocomplete: "off", MaxLength: maxReasonInput,
		})
	}
	p.Fields = append(p.Fields, field{Name: "text", Label: "merchants.import.text", Hint: "merchants.import.text.hint"})
	return p
}

// submitImport looks first: only the form that the preview holds adds anything, and
// only if its text is still as good as it was.
func submitImport(x *exchange) error {
	s, err := findAllowlist(x)
	if err != nil {
		return err
	}
	in := controlplane.ImportAllowlist{MerchantID: s.merchant.ID, Text: x.value("text"), Note: x.value("note")}
	page := x.importPage(s)
	if x.value("add") != "" {
		if _, err = x.service.ImportAllowlist(x.ctx(), x.actor(), in); err == nil {
			return x.doneTo("entry_added", s.Back)
		}
	}
	if err != nil {
		if handled, failure := x.blame(&page.form, err, nil); failure != nil || !handled {
			return errOr(failure, err)
		}
	}
	preview, err := x.service.PreviewAllowlistImport(x.ctx(), x.actor(), in)
	if err != nil {
		return x.putRight(&page.form, err, func() error { return x.render(http.StatusUnprocessableEntity, "merchants.import", page) })
	}
	if err := x.fillPreview(&page, preview); err != nil {
		return err
	}
	status := http.StatusOK
	if page.Failed() || preview.Wrong > 0 {
		status = http.StatusUnprocessableEntity
	}
	return x.render(status, "merchants.import", page)
}

func errOr(first, second error) error {
	if first != nil {
		return first
	}
	return second
}

// maxShownLines keeps the page under its weight; what is wrong comes first.
const maxShownLines = 120

func (x *exchange) fillPreview(p *importPage, preview controlplane.ImportedAllowlist) error {
	p.Preview = &preview
	var fine []importRow
	for _, l := range preview.Lines {
		if l.Problem == nil {
			fine = append(fine, importRow{l, ""})
			continue
		}
		text, err := x.ruleText(*l.Problem)
		if err != nil {
			return err
		}
		p.Lines = append(p.Lines, importRow{l, text})
	}
	p.Lines = append(p.Lines, fine...)
	if len(p.Lines) > maxShownLines {
		p.Lines = p.Lines[:maxShownLines]
	}
	return nil
}
