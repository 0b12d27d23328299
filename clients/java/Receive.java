import com.sun.net.httpserver.Headers;
import com.sun.net.httpserver.HttpServer;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;

/** Receives webhooks: UNK_WEBHOOK_SECRET=whsec_… java Receive PORT */
public final class Receive {
    public static void main(String[] args) throws Exception {
        HttpServer server = HttpServer.create(new InetSocketAddress("127.0.0.1", Integer.parseInt(args[0])), 0);
        server.createContext("/", exchange -> {
            byte[] body = exchange.getRequestBody().readAllBytes();
            Headers headers = exchange.getRequestHeaders();
            int status = 401;
            try {
                if (UnknownPay.verifyWebhook(System.getenv("UNK_WEBHOOK_SECRET"), headers.getFirst("webhook-id"),
                        headers.getFirst("webhook-timestamp"), headers.getFirst("webhook-signature"), body)) {
                    // webhook-id stays the same over retries: remember it, and act once.
                    System.out.println(headers.getFirst("webhook-id") + " " + new String(body, StandardCharsets.UTF_8));
                    status = 204;
                }
            } catch (java.security.GeneralSecurityException e) {
                status = 500;
            }
            exchange.sendResponseHeaders(status, -1);
            exchange.close();
        });
        server.start();
    }
}
