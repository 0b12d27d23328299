package portal

import "net/http"

// savePreferences keeps a language or a theme in the browser. A form may send
// either or both.
func savePreferences(x *exchange) error {
	if tag := x.value("language"); tag != "" {
		if x.texts.byTag(tag) == nil {
			return httpError{status: http.StatusBadRequest}
		}
		x.prefs.Language = tag
	}
	if theme := x.value("theme"); theme != "" {
		if !validTheme(theme) {
			return httpError{status: http.StatusBadRequest}
		}
		x.prefs.Theme = theme
		x.setNotice("saved")
	}
	x.setCookie(preferencesCookie, x.prefs.String(), preferencesLife)
	return x.leadTo(x.value("return_to"))
}

// leadTo redirects to the page of a return_to, or to where the session belongs.
func (x *exchange) leadTo(name string) error {
	to := x.returnPath(name)
	if x.session.State != StateActive {
		to = x.table.byName[x.home(x.session.State)].path("")
	}
	http.Redirect(x.w, x.r, to, http.StatusSeeOther)
	return nil
}
