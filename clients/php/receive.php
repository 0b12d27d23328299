<?php
// Receive webhooks: UNK_WEBHOOK_SECRET=whsec_… php -S 127.0.0.1:PORT receive.php
require_once __DIR__ . '/unknownpay.php';

$body = file_get_contents('php://input');
$headers = [];
foreach (['webhook-id', 'webhook-timestamp', 'webhook-signature'] as $name) {
    $headers[$name] = $_SERVER['HTTP_' . strtoupper(strtr($name, '-', '_'))] ?? '';
}
if (!unk_verify_webhook(getenv('UNK_WEBHOOK_SECRET'), $headers, $body)) {
    http_response_code(401);
    exit;
}
// webhook-id stays the same over retries: remember it, and act once.
file_put_contents('php://stdout', $headers['webhook-id'] . ' ' . json_decode($body)->type . "\n");
http_response_code(204);
