import java.net.URI;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.security.GeneralSecurityException;
import java.security.MessageDigest;
import java.security.SecureRandom;
import java.time.Instant;
import java.util.Base64;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;

/** Signs requests to UnknownPay and verifies its webhooks. Java 17 or newer, no dependencies. */
public final class UnknownPay {
    private static final SecureRandom RANDOM = new SecureRandom();

    private UnknownPay() {}

    /** The four headers that sign this request. Call it anew for every attempt. */
    public static Map<String, String> sign(String keyId, String secret, String method, URI url, byte[] body)
            throws GeneralSecurityException {
        String host = url.getHost().toLowerCase(Locale.ROOT);
        int defaultPort = url.getScheme().equals("https") ? 443 : 80;
        if (url.getPort() != -1 && url.getPort() != defaultPort) {
            host += ":" + url.getPort();
        }
        // The raw target, as it goes over the wire: never decode, sort or re-encode it.
        String target = url.getRawPath().isEmpty() ? "/" : url.getRawPath();
        if (url.getRawQuery() != null) {
            target += "?" + url.getRawQuery();
        }
        byte[] random = new byte[16];
        RANDOM.nextBytes(random);
        String nonce = HexFormat.of().formatHex(random);
        String timestamp = Long.toString(Instant.now().getEpochSecond());
        String bodyHash = HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(body));
        String stringToSign = String.join("\n",
                "UNK1-HMAC-SHA256", timestamp, nonce, method.toUpperCase(Locale.ROOT), host, target, bodyHash);
        // The secret is used as the text you were shown. Do not decode it.
        byte[] mac = hmac(secret.getBytes(StandardCharsets.UTF_8), stringToSign.getBytes(StandardCharsets.UTF_8));
        Map<String, String> headers = new LinkedHashMap<>();
        headers.put("X-Unk-Key", keyId);
        headers.put("X-Unk-Timestamp", timestamp);
        headers.put("X-Unk-Nonce", nonce);
        headers.put("X-Unk-Signature", "v1=" + HexFormat.of().formatHex(mac));
        return headers;
    }

    /** Whether this webhook is UnknownPay's. body: the bytes as received; a header that is missing: null. */
    public static boolean verifyWebhook(String secret, String id, String timestamp, String signatures, byte[] body)
            throws GeneralSecurityException {
        if (id == null || timestamp == null || signatures == null || !timestamp.matches("\\d{1,12}")
                || Math.abs(Instant.now().getEpochSecond() - Long.parseLong(timestamp)) > 300) {
            return false;
        }
        // This secret, unlike the API secret, is base64 after its prefix.
        byte[] key = Base64.getDecoder().decode(secret.substring("whsec_".length()));
        byte[] prefix = (id + "." + timestamp + ".").getBytes(StandardCharsets.UTF_8);
        byte[] signed = ByteBuffer.allocate(prefix.length + body.length).put(prefix).put(body).array();
        byte[] expected = ("v1," + Base64.getEncoder().encodeToString(hmac(key, signed))).getBytes(StandardCharsets.UTF_8);
        // While a secret is being rotated there are two signatures; one good one is enough.
        for (String candidate : signatures.split(" ")) {
            if (MessageDigest.isEqual(expected, candidate.getBytes(StandardCharsets.UTF_8))) {
                return true;
            }
        }
        return false;
    }

    private static byte[] hmac(byte[] key, byte[] text) throws GeneralSecurityException {
        Mac mac = Mac.getInstance("HmacSHA256");
        mac.init(new SecretKeySpec(key, "HmacSHA256"));
        return mac.doFinal(text);
    }
}
