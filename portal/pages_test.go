package portal

import (
	"strings"
	"testing"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

func TestEveryPageKeepsTheRules(t *testing.T) {
	w := newWorld(t)
	for _, state := range States() {
		token := "state" + string(rune('0'+state))
		w.seats[token] = Session{
			ID: "1", State: state, Sudo: true, UserID: "usr_1", Username: "mali", Role: controlplane.RoleOwner,
			MerchantID: "mer_1", MerchantName: "Chiang Mai Coffee", SecondFactor: true,
		}
		for _, r := range Routes() {
			if r.Method != get || r.States&state == 0 || !r.addressable() {
				continue
			}
			for _, lang := range catalogueOrder() {
				t.Run(r.Name+"/"+lang, func(t *testing.T) {
					b := w.browser()
					b.cookies[sessionCookie], b.cookies[preferencesCookie] = token, lang+".auto"
					rec := b.get(r.path(controlplane.Test))
					if rec.Code != 200 || !strings.Contains(rec.Body.String(), `<html lang="`+lang+`"`) {
						t.Fatalf("%d\n%s", rec.Code, rec.Body)
					}
					checkPage(t, w, rec)
				})
			}
		}
	}
}
