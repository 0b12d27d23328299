package portal

import (
	"net/http"
	"strings"
	"time"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

// The __Host- prefix makes browsers refuse a cookie that a sister domain or an
// unencrypted connection tries to plant (RFC 6265bis section 4.1.3.2).
const (
	sessionCookie     = "__Host-unk_session"
	consoleCookie     = "__Host-unk_console"
	deviceCookie      = "__Host-unk_device"
	preferencesCookie = "__Host-unk_prefs"
	noticeCookie      = "__Host-unk_notice"
)

// setCookie sets a cookie for a while; 0 means until the browser closes, less
// than 0 deletes it.
//
// SameSite is Lax, not Strict: a link in a security notice must open the page it
// points to. No GET changes anything, and unsafe methods from elsewhere are
// refused by [http.CrossOriginProtection] whatever cookies they carry.
func (x *exchange) setCookie(name, value string, life time.Duration) {
	http.SetCookie(x.w, &http.Cookie{
		Name: name, Value: value, Path: "/", MaxAge: int(life / time.Second),
		Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode,
	})
}

// cookie returns the value of a cookie, or a zero secret. Two cookies of one name
// are a planted one and ours: neither is believed.
func (x *exchange) cookie(name string) controlplane.Secret {
	found := x.r.CookiesNamed(name)
	if len(found) != 1 {
		return controlplane.Secret{}
	}
	return controlplane.NewSecret(found[0].Value)
}

// setNotice leaves a word for the next page. It travels in a cookie, where a link
// from elsewhere cannot put it.
func (x *exchange) setNotice(key string) { x.setCookie(noticeCookie, key, time.Minute) }

// takeNotice returns the text of the notice left by the request before.
func (x *exchange) takeNotice() string {
	key := x.cookie(noticeCookie).Reveal()
	if key == "" {
		return ""
	}
	x.setCookie(noticeCookie, "", -time.Second)
	text, err := x.lang.text("notice." + key)
	if err != nil {
		return "" // not one of ours
	}
	return text
}

// preferences are how one browser wants the pages. They are no secret and belong
// to the device, so a cookie holds them, also before anyone signs in.
type preferences struct {
	Language string // a language of the catalogue; empty: what the browser asks for
	Theme    string // auto, light or dark
}

const preferencesLife = 365 * 24 * time.Hour

func parsePreferences(text string) preferences {
	lang, theme, _ := strings.Cut(text, ".")
	p := preferences{Language: lang, Theme: theme}
	if !validTheme(p.Theme) {
		p.Theme = "auto"
	}
	return p
}

func validTheme(s string) bool { return s == "auto" || s == "light" || s == "dark" }

func (p preferences) String() string { return p.Language + "." + p.Theme }
