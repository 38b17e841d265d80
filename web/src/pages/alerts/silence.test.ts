import assert from "node:assert/strict";
import { test } from "node:test";

import { commandOf, matchersOf, secondsOf, SPANS } from "./silence.ts";

test("a silence begins with what names the alert, its name first", () => {
  const matchers = matchersOf({ tenant: "7", severity: "critical", endpoint: "/pay", alertname: "Slow", kind: "gauge", unit: "s", metric: "api.seconds" });
  assert.deepEqual(matchers.map(({ name, value }) => `${name}=${value}`), ["alertname=Slow", "endpoint=/pay", "metric=api.seconds"]);
});

test("until tomorrow is a time of the zone, also where a day has 25 hours", () => {
  const tomorrow = SPANS.find(({ lastsS }) => lastsS === null)!;
  assert.equal(secondsOf(tomorrow, Date.UTC(2026, 10, 30, 17), "UTC"), 16 * 3600);
  assert.equal(secondsOf(tomorrow, Date.UTC(2026, 9, 24, 17), "Europe/Berlin"), 15 * 3600);
  assert.equal(secondsOf(tomorrow, Date.UTC(2026, 11, 31, 23, 30), "UTC"), 9.5 * 3600);
  assert.equal(secondsOf(SPANS[0]!, 0, "UTC"), 3600);
});

test("the command says the same, and a shell takes it as it is", () => {
  const matchers = [{ name: "alertname", operator: "=", value: "Slow" }, { name: "text", operator: "=", value: "it's $HOME" }] as const;
  assert.equal(commandOf(matchers, 3600, ""), "tidegauge silence add alertname=Slow 'text=it'\\''s $HOME' --for 60m --comment '…'");
});
