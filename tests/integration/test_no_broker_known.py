"""A client that knows no broker is led back to one."""

import pytest
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaConnectionError

from deploy.local.stack import Stack
from shared.runtime.metadata import require_brokers
from tests.support.http.gateway import free_port

pytestmark = pytest.mark.servers


async def test_a_client_that_knows_no_broker_asks_again(stack: Stack) -> None:
    """As one does not that was told of none by a broker that had just started."""
    client = AIOKafkaClient(bootstrap_servers=stack.kafka)
    try:
        await client.bootstrap()
        client.cluster._brokers.clear()
        assert not client.cluster.brokers()

        await require_brokers(client)

        assert client.cluster.brokers()
    finally:
        await client.close()


async def test_while_no_broker_is_known_it_says_so() -> None:
    """So that whoever waits tries again."""
    client = AIOKafkaClient(bootstrap_servers=f"127.0.0.1:{free_port()}")
    with pytest.raises(KafkaConnectionError):
        await require_brokers(client)
    await client.close()
