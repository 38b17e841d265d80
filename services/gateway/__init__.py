"""The gateway: takes points over HTTP, publishes them to Kafka and answers after the broker's ack."""
