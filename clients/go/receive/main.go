// Command receive receives webhooks:
// UNK_WEBHOOK_SECRET=whsec_… go run ./receive PORT
package main

import (
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"

	unknownpay "github.com/unknownpay/merchant-gateway/clients/go"
)

func main() {
	secret := os.Getenv("UNK_WEBHOOK_SECRET")
	receive := func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 1<<20))
		if err != nil || !unknownpay.VerifyWebhook(secret, r.Header, body) {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		var event struct{ Type string }
		if err := json.Unmarshal(body, &event); err != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		// webhook-id stays the same over retries: remember it, and act once.
		fmt.Println(r.Header.Get("webhook-id"), event.Type)
		w.WriteHeader(http.StatusNoContent)
	}
	log.Fatal(http.ListenAndServe("127.0.0.1:"+os.Args[1], http.HandlerFunc(receive)))
}
