// Command call sends one signed request:
// UNK_KEY_ID=… UNK_SECRET=… go run ./call METHOD URL [BODY]
package main

import (
	"bytes"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"time"

	unknownpay "github.com/unknownpay/merchant-gateway/clients/go"
)

func main() {
	var body []byte
	if len(os.Args) > 3 {
		body = []byte(os.Args[3])
	}
	r, err := http.NewRequest(os.Args[1], os.Args[2], bytes.NewReader(body))
	if err != nil {
		log.Fatal(err)
	}
	if len(body) > 0 {
		r.Header.Set("Content-Type", "application/json")
	}
	unknownpay.Sign(r, os.Getenv("UNK_KEY_ID"), os.Getenv("UNK_SECRET"), body)
	client := http.Client{Timeout: 30 * time.Second}
	answer, err := client.Do(r)
	if err != nil {
		log.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%d\n%s\n", answer.StatusCode, text) // a refusal says why: {"error":{"code":…,"message":…,"doc_url":…}}
	if answer.StatusCode/100 != 2 {
		os.Exit(1)
	}
}
