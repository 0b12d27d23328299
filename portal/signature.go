package portal

import (
	"errors"
	"net/http"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

// signaturePage is the workbench: it says of a pasted request whether its signature
// is good, or else why not.
//
// It shows nothing of what was pasted but what has to be signed. A signature that
// is good is the one that was expected, and a page that repeats it would hold what
// no answer of ours may hold; the browser's way back has it all.
type signaturePage struct {
	Env controlplane.Environment
	// Wrong is what is wrong with what was pasted, in the reader's language.
	Wrong   string
	Verdict *verdictView
	// Allowlist is where addresses are checked.
	Allowlist string
}

// Failed marks the title.
func (p signaturePage) Failed() bool { return p.Wrong != "" }

// verdictView is a verdict with its explanation.
type verdictView struct {
	controlplane.SignatureVerdict
	Body int
	// Explained is empty for a good signature.
	Explained explanation
	Errors    string
}

// Clock is the difference of the clocks without its sign.
func (v verdictView) Clock() int64 { return max(v.Why.Difference, -v.Why.Difference) }

// ClockText says in which direction the clocks differ, a key of the catalogue.
func (v verdictView) ClockText() string {
	return loggedPage{LoggedRequest: controlplane.LoggedRequest{Why: v.Why}}.ClockText()
}

func showSignature(x *exchange) error {
	if err := x.mayChange(); err != nil {
		return err
	}
	return x.render(http.StatusOK, "signature", signaturePage{Env: x.env(), Allowlist: x.table.byName["allowlist.check"].path("")})
}

func submitSignature(x *exchange) error {
	page := signaturePage{Env: x.env(), Allowlist: x.table.byName["allowlist.check"].path("")}
	verdict, err := x.checkPasted()
	var wrong *pasteProblem
	if errors.As(err, &wrong) {
		x.cause = err
		if page.Wrong, err = x.text("signature.wrong."+wrong.key, "n", wrong.n); err != nil {
			return err
		}
		return x.render(http.StatusUnprocessableEntity, "signature", page)
	}
	if err != nil {
		return err
	}
	page.Verdict = verdict
	return x.render(http.StatusOK, "signature", page)
}

func (x *exchange) checkPasted() (*verdictView, error) {
	request, err := x.readPasted()
	if err != nil {
		return nil, err
	}
	in, err := request.check(x.session.MerchantID, x.env())
	if err != nil {
		return nil, err
	}
	verdict, err := x.service.CheckSignature(x.ctx(), x.actor(), in)
	if controlplane.CodeOf(err) == controlplane.CodeInvalid && err != nil {
		return nil, errors.Join(err, &pasteProblem{key: "large"}) // the other rules are met by now
	}
	if err != nil {
		return nil, err
	}
	view := &verdictView{SignatureVerdict: verdict, Body: len(in.Body), Errors: x.table.byName["errors"].path("")}
	if !verdict.Good() {
		view.Explained = explainLogged(controlplane.LoggedRequest{Code: verdict.Code, Environment: x.env(), Why: verdict.Why})
	}
	return view, nil
}
