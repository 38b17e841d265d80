import java.io.ByteArrayInputStream;
import java.util.concurrent.atomic.AtomicLong;

/** Reports orders until its input ends: by the class of docs/clients/java.md, and in chunks; then says what was delivered. */
class Shop {
    private static final long PAUSE_MS = 100;
    private static final String ORDER = "{\"points\":[{\"name\":\"orders\",\"value\":1,\"kind\":\"delta\"}]}";

    private static volatile boolean open = true;
    private static final AtomicLong delivered = new AtomicLong();
    private static final AtomicLong refused = new AtomicLong();

    public static void main(String[] arguments) throws Exception {
        Tidegauge telemetry = new Tidegauge(arguments[0], arguments[1]);
        postInChunks(arguments[0], arguments[1]);
        Thread[] tills = new Thread[4];
        for (int number = 0; number < tills.length; number++) {
            tills[number] = new Thread(() -> sell(telemetry));
            tills[number].start();
        }
        System.in.read();
        open = false;
        for (Thread till : tills) {
            till.join();
        }
        postInChunks(arguments[0], arguments[1]);
        System.out.println("{\"delivered\": " + delivered + ", \"refused\": " + refused + "}");
        System.exit(0);
    }

    /** One order whose length is not said, until it is taken. */
    private static void postInChunks(String url, String key) throws Exception {
        HttpRequest request = HttpRequest.newBuilder(URI.create(url + "/v1/telemetry"))
                .header("Authorization", "Bearer " + key)
                .header("Content-Type", "application/json")
                .header("Idempotency-Key", UUID.randomUUID().toString())
                .POST(BodyPublishers.ofInputStream(() -> new ByteArrayInputStream(ORDER.getBytes())))
                .build();
        HttpClient client = HttpClient.newHttpClient();
        int status = client.send(request, BodyHandlers.ofString()).statusCode();
        while (status == 503) {
            Thread.sleep(PAUSE_MS);
            status = client.send(request, BodyHandlers.ofString()).statusCode();
        }
        (status == 202 ? delivered : refused).incrementAndGet();
    }

    private static void sell(Tidegauge telemetry) {
        try {
            while (open) {
                (telemetry.post(ORDER) ? delivered : refused).incrementAndGet();
                Thread.sleep(PAUSE_MS);
            }
        } catch (InterruptedException ended) {
            Thread.currentThread().interrupt();
        }
    }
}
