import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.time.Duration;

/** Sends one signed request: UNK_KEY_ID=… UNK_SECRET=… java Call METHOD URL [BODY] */
public final class Call {
    public static void main(String[] args) throws Exception {
        URI url = URI.create(args[1]);
        byte[] body = args.length > 2 ? args[2].getBytes(StandardCharsets.UTF_8) : new byte[0];
        HttpRequest.Builder request = HttpRequest.newBuilder(url)
                .timeout(Duration.ofSeconds(30))
                .method(args[0], body.length == 0
                        ? HttpRequest.BodyPublishers.noBody() : HttpRequest.BodyPublishers.ofByteArray(body));
        UnknownPay.sign(System.getenv("UNK_KEY_ID"), System.getenv("UNK_SECRET"), args[0], url, body)
                .forEach(request::header);
        if (body.length > 0) {
            request.header("Content-Type", "application/json");
        }
        HttpResponse<String> answer =
                HttpClient.newHttpClient().send(request.build(), HttpResponse.BodyHandlers.ofString());
        System.out.println(answer.statusCode());
        System.out.println(answer.body()); // a refusal says why: {"error":{"code":…,"message":…,"doc_url":…}}
        System.exit(answer.statusCode() / 100 == 2 ? 0 : 1);
    }
}
