import assert from "node:assert/strict";
import { test } from "node:test";
import { MAX_TEXT, leftOut, readAddress, writeAddress } from "./url.ts";

const ZONE = "Europe/Berlin";

test("a state comes back from its URL", () => {
  const url = "/ui/latency?from=now-6h&tz=Asia/Kathmandu&where=endpoint~/check*&where=method=GET&by=endpoint,method&compare=7d&sel=a&metric=x";
  const [path, query] = url.split("?") as [string, string];
  const state = readAddress(path, query, ZONE);
  assert.deepEqual(state, {
    page: "latency", item: "", from: "now-6h", to: "now", tz: "Asia/Kathmandu", where: ["endpoint~/check*", "method=GET"],
    by: ["endpoint", "method"], compare: "7d", sel: "a", extra: { metric: "x" },
  });
  const written = new URL(writeAddress(state, ZONE), "http://page");
  assert.deepEqual(readAddress(written.pathname, written.search, ZONE), state);
});

test("markup, signs and long texts come back or are left out", () => {
  const odd = { ...readAddress("/ui/explore", "", ZONE), where: ["a=<b>&\"x\"=%2F+ü"], item: "a/b c?", extra: { q: "rate(x[5m]) & 1" } };
  const written = new URL(writeAddress(odd, ZONE), "http://page");
  assert.deepEqual(readAddress(written.pathname, written.search, ZONE), odd);
  assert.deepEqual(readAddress("/ui/explore", `where=${"a".repeat(MAX_TEXT + 1)}`, ZONE).where, []);
});

test("nothing throws, and what is usual stays out of the URL", () => {
  assert.equal(readAddress("/ui/%E0%A4%A", "from=&by=,,", ZONE).page, "%E0%A4%A");
  assert.equal(readAddress("/ui", "", ZONE).page, "overview");
  assert.equal(writeAddress(readAddress("/ui/", "", ZONE), ZONE), "/ui/overview");
});

test("what is not heeded is said: a zone that is none, and a condition that is too long", () => {
  assert.deepEqual([readAddress("/ui/", "tz=Mars/Olympus", ZONE).tz, readAddress("/ui/", "tz=UTC", ZONE).tz], [ZONE, "UTC"]);
  assert.deepEqual(leftOut(`?tz=Mars/Olympus&where=${"a".repeat(MAX_TEXT + 9)}&where=a=b`), [
    "No time zone is called “Mars/Olympus”: times are those of this browser.",
    "A condition of 1,009 characters is left out of the filter: it may have 1,000.",
  ]);
  assert.deepEqual(leftOut("?tz=UTC&where=a=b&from=now-1h"), []);
});

test("a token of a log-in link is never kept", () => {
  assert.deepEqual(readAddress("/ui/login", "once=secret", ZONE).extra, {});
});
