package signature_test

import (
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	"github.com/unknownpay/merchant-gateway/controlplane/signature"
)

// A merchant's server signs whatever its http.Client sends.
func ExampleNewTransport() {
	gateway := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Println("signed by", r.Header.Get(signature.HeaderKey))
	}))
	defer gateway.Close()

	transport, err := signature.NewTransport(nil, gateway.URL,
		"unk_test_4f9K2mQ7xR1cT8bW3nLzVa", "unks_test_7Qm2vX9LrT4cWb8NzKd3FhJ6pYs1GaEu5MqZ0xVtRkC")
	if err != nil {
		fmt.Println(err)
		return
	}
	client := &http.Client{Transport: transport, Timeout: 10 * time.Second}
	resp, err := client.Post(gateway.URL+"/v1/payments", "application/json", strings.NewReader(`{"amount":1000}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer resp.Body.Close()
	fmt.Println(resp.Status)
	// Output:
	// signed by unk_test_4f9K2mQ7xR1cT8bW3nLzVa
	// 200 OK
}

// A single request can be signed without a transport.
func ExampleSigner_Sign() {
	signer, err := signature.NewSigner("unk_test_4f9K2mQ7xR1cT8bW3nLzVa", "unks_test_7Qm2vX9LrT4cWb8NzKd3FhJ6pYs1GaEu5MqZ0xVtRkC")
	if err != nil {
		fmt.Println(err)
		return
	}
	body := `{"amount":1000,"currency":"THB"}`
	req, err := http.NewRequest("POST", "https://api.example.com/v1/payments?expand=customer", strings.NewReader(body))
	if err != nil {
		fmt.Println(err)
		return
	}
	// In a program: nonce, err := signature.NewNonce(rand.Reader), and time.Now().
	nonce, now := "5f0c1d9e7b3a4c2d8e6f1a2b3c4d5e6f", time.Unix(1767225600, 0)
	if err := signer.Sign(req, sha256.Sum256([]byte(body)), now, nonce); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(req.Header.Get("X-Unk-Signature"))
	// Output: v1=8de924547439f0311f28d2a33b80599f90a9fff3a79934132692ad5455011b4f
}

func ExampleNewNonce() {
	nonce, err := signature.NewNonce(rand.Reader)
	fmt.Println(len(nonce), err)
	// Output: 32 <nil>
}

// A receiver parses the headers first, and verifies once it has the body.
func ExampleParse() {
	key, err := signature.NewMACKey([]byte("unks_test_7Qm2vX9LrT4cWb8NzKd3FhJ6pYs1GaEu5MqZ0xVtRkC"))
	if err != nil {
		fmt.Println(err)
		return
	}
	handle := func(w http.ResponseWriter, r *http.Request) {
		creds, err := signature.Parse(r.Header)
		if err != nil {
			fmt.Println(err)
			return
		}
		// Here: look up creds.KeyID, check creds.Created against the clock.
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 1<<20))
		if err != nil {
			fmt.Println(err)
			return
		}
		received := signature.Request{Method: r.Method, Scheme: "https"}
		received.Host, _ = signature.Host(r.Host, received.Scheme)
		received.Target, _ = signature.Target(r.RequestURI)
		received.Body = signature.Body{Length: int64(len(body)), SHA256: sha256.Sum256(body)}
		fmt.Println(creds.KeyID, creds.Environment, creds.Verify(&key, &received))
		// Last: record creds.Nonce, and refuse it if it was there.
	}
	r := httptest.NewRequest("GET", "https://api.example.com/v1/payments/pay_123", nil)
	r.Header.Set("X-Unk-Key", "unk_test_4f9K2mQ7xR1cT8bW3nLzVa")
	r.Header.Set("X-Unk-Timestamp", "1767225600")
	r.Header.Set("X-Unk-Nonce", "0123456789abcdef0123456789abcdef")
	r.Header.Set("X-Unk-Signature", "v1=88c8508345f8f425fb6ccf4743ad72e868afed1257899a8ef3aec930d3ef351a")
	r.RequestURI = "/v1/payments/pay_123"
	handle(httptest.NewRecorder(), r)
	// Output: unk_test_4f9K2mQ7xR1cT8bW3nLzVa test <nil>
}
