import assert from "node:assert/strict";
import { test } from "node:test";
import { type Alert, subject } from "./alerts.ts";

const of = (rule: string, labels: Record<string, string>): Alert => ({ rule, labels }) as unknown as Alert;

test("an alert is called by its path and by the fewest labels that tell it apart", () => {
  const slow = of("Slow", { endpoint: "/checkout", method: "POST", status: "200", severity: "critical" });
  const failed = of("Slow", { endpoint: "/checkout", method: "POST", status: "504", severity: "critical" });
  const other = of("Full", { endpoint: "/checkout", method: "GET", status: "200" });

  assert.equal(subject(slow, [slow, other]), "/checkout");
  assert.equal(subject(slow, [slow, failed]), "/checkout status=200");
  assert.equal(subject(of("Full", { host: "a", disk: "sda" }), []), "host=a disk=sda");
  assert.equal(subject(of("Full", { host: "a", disk: "sda" }), [of("Full", { host: "b", disk: "sda" })]), "host=a");
  assert.equal(subject(of("Any", { severity: "info", tenant: "1" }), []), "");
});
