"""What `tidegauge up` prints when all is ready: addresses, keys and commands that can be copied.

Invariant: each command works as printed.
"""

from collections.abc import Mapping

from deploy.api_keys import Scope

__all__ = ["text"]

_POINT = '{"points":[{"name":"demo.answer","value":42}]}'
_SLOW = (
    '{"points":[{"name":"api.response_seconds","value":6,"kind":"delta","unit":"s",'
    '"labels":{"endpoint":"/checkout"}}]}'
)
_QUICK = _SLOW.replace('"value":6', '"value":0.2')
_EVENT = '{"events":[{"event_id":"my-first","type":"click","name":"hello"}]}'

_TEXT = """{link}
  opens the page, once and within ten minutes; `tidegauge login` prints another link

  post here  {url}   (its description: {url}/docs)
  look here  {query_url}   (its description: {query_url}/docs)
  Postgres   {postgres}
  Kafka      {kafka}
  Redis      {redis}
  write key  {write}
  read key   {read}

Post a point, and read its window back (live at once, closed some 12 s later):

  curl -s {url}/v1/telemetry -H 'Authorization: Bearer {write}' -H 'Content-Type: application/json' -d '{point}'
  curl -s '{query_url}/v1/windows?metric=demo.answer' -H 'Authorization: Bearer {read}'

Cause a page: a response that took 6 s. It appears below within 2 s:

  curl -s {url}/v1/telemetry -H 'Authorization: Bearer {write}' -H 'Content-Type: application/json' -d '{slow}'
  curl -s {query_url}/v1/alerts -H 'Authorization: Bearer {read}'

End it some ten seconds later with a quick response (without any it ends after five minutes of silence):

  curl -s {url}/v1/telemetry -H 'Authorization: Bearer {write}' -H 'Content-Type: application/json' -d '{quick}'

Post an event, as often as you like: it counts once. And see how far the demo's visitors come:

  curl -s {url}/v1/events -H 'Authorization: Bearer {write}' -H 'Content-Type: application/json' -d '{event}'
  curl -s {query_url}/v1/funnels/effect_creation -H 'Authorization: Bearer {read}'

Ctrl-C stops everything; the data stay. `eval "$(tidegauge env)"` gives a shell these addresses and keys."""


def text(link: str, url: str, query_url: str, servers: Mapping[str, str], keys: dict[Scope, str]) -> str:
    """The text; `link` opens the page, `url` takes posts, `query_url` answers reads, `keys` are by their scopes."""
    bodies = {"point": _POINT, "slow": _SLOW, "quick": _QUICK, "event": _EVENT}
    return _TEXT.format(link=link, url=url, query_url=query_url, **bodies, **servers, **keys)
