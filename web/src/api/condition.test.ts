import assert from "node:assert/strict";
import { test } from "node:test";

import { conditionOf } from "./condition.ts";

test("a value stands as it is, whatever signs it has", () => {
  assert.equal(conditionOf("page", '/search?q="a" & b=(c)'), 'page=/search?q="a" & b=(c)');
  assert.equal(conditionOf("status", "504", true), "status!=504");
});

test("a label with signs of the language stands in quotes", () => {
  assert.equal(conditionOf('a = "b"\\', "x"), '"a = \\"b\\"\\\\"=x');
  assert.equal(conditionOf("service.name", "shop"), "service.name=shop");
});
