<?php
// Send one signed request: UNK_KEY_ID=… UNK_SECRET=… php call.php METHOD URL [BODY]
require __DIR__ . '/unknownpay.php';

[, $method, $url] = $argv;
$body = $argv[3] ?? '';
$headers = unk_sign(getenv('UNK_KEY_ID'), getenv('UNK_SECRET'), $method, $url, $body);
if ($body !== '') {
    $headers['Content-Type'] = 'application/json';
}
$lines = array_map(fn ($name, $value) => "$name: $value", array_keys($headers), $headers);
$answer = file_get_contents($url, false, stream_context_create(['http' => [
    'method' => $method, 'header' => $lines, 'content' => $body, 'timeout' => 30,
    'ignore_errors' => true, 'follow_location' => 0,
]]));
$status = (int) explode(' ', $http_response_header[0])[1];
echo $status, "\n", $answer, "\n"; // a refusal says why: {"error":{"code":…,"message":…,"doc_url":…}}
exit($status >= 200 && $status < 300 ? 0 : 1);
