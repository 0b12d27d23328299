<?php
// Sign requests to UnknownPay and verify its webhooks. PHP 8.0 or newer, no dependencies.

/** The four headers that sign this request. Call it anew for every attempt. */
function unk_sign(string $keyId, string $secret, string $method, string $url, string $body = ''): array
{
    $parts = parse_url($url);
    $host = strtolower($parts['host']);
    $defaultPort = ['https' => 443, 'http' => 80][$parts['scheme']];
    if (isset($parts['port']) && $parts['port'] !== $defaultPort) {
        $host .= ':' . $parts['port'];
    }
    // The target exactly as it goes over the wire: never decode, sort or re-encode it.
    $target = ($parts['path'] ?? '/') . (isset($parts['query']) ? '?' . $parts['query'] : '');
    $timestamp = (string) time();
    $nonce = bin2hex(random_bytes(16));
    $stringToSign = implode("\n", [
        'UNK1-HMAC-SHA256', $timestamp, $nonce, strtoupper($method), $host, $target, hash('sha256', $body),
    ]);
    // The secret is used as the text you were shown. Do not decode it.
    return [
        'X-Unk-Key' => $keyId,
        'X-Unk-Timestamp' => $timestamp,
        'X-Unk-Nonce' => $nonce,
        'X-Unk-Signature' => 'v1=' . hash_hmac('sha256', $stringToSign, $secret),
    ];
}

/** Whether this webhook is UnknownPay's. $headers: names in lower case. $body: the bytes as received. */
function unk_verify_webhook(string $secret, array $headers, string $body, int $tolerance = 300): bool
{
    $id = $headers['webhook-id'] ?? '';
    $timestamp = $headers['webhook-timestamp'] ?? '';
    if ($id === '' || !ctype_digit($timestamp) || abs(time() - (int) $timestamp) > $tolerance) {
        return false;
    }
    // This secret, unlike the API secret, is base64 after its prefix.
    $key = base64_decode(substr($secret, strlen('whsec_')));
    $expected = 'v1,' . base64_encode(hash_hmac('sha256', "$id.$timestamp.$body", $key, true));
    // While a secret is being rotated there are two signatures; one good one is enough.
    foreach (explode(' ', $headers['webhook-signature'] ?? '') as $candidate) {
        if (hash_equals($expected, $candidate)) {
            return true;
        }
    }
    return false;
}
