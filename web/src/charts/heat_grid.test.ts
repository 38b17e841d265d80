import assert from "node:assert/strict";
import { test } from "node:test";

import { edges, grid, height, legend, MOST_ROWS, paint, stepOf, type Histogram } from "./heat_grid.ts";

const spread: Histogram = Array.from({ length: 400 }, (_, at) => [0.001 * 1.02 ** at, at % 7] as const);

test("a grid has at most 60 rows, and every weight in exactly one of them", () => {
  const found = grid([spread, null, spread]);
  const sum = (of: Iterable<number>) => [...of].reduce((a, b) => a + b, 0);

  assert.equal(found.rows, MOST_ROWS);
  assert.equal(sum(found.weight), 2 * sum(spread.map(([, weight]) => weight)));
  assert.equal(sum(found.weight.subarray(found.rows, 2 * found.rows)), 0);
});

test("each value lies between the edges of its row", () => {
  for (const [value] of spread.slice(1)) {
    const found = grid([[...spread.map(([v]) => [v, 1e-9] as const), [value, 100]]]);
    const row = found.weight.indexOf(Math.max(...found.weight));
    const [low, high] = edges(found, row);

    assert.ok(low <= value * 1.0001 && value <= high * 1.0001, `${low} ${value} ${high}`);
  }
});

test("one value, none, and values at or below 0 have a grid too", () => {
  assert.deepEqual([grid([[[2, 5]]]).rows, grid([[[2, 5]]]).largest], [1, 5]);
  assert.equal(grid([null, []]).largest, 0);
  assert.deepEqual([...grid([[[0, 3], [-1, 2], [1, 1]]]).weight], [6]);
  assert.equal(grid([[[1, -4], [2, 1]]]).largest, 1);
});

test("colour goes by the square root, and one beside many is still seen", () => {
  assert.deepEqual([0, 1, 2500, 10_000].map((weight) => stepOf(weight, 10_000)), [0, 1, 4, 8]);
  assert.deepEqual(legend(64).map(Math.round), [1, 4, 9, 16, 25, 36, 49, 64]);
});

test("pixels have the highest row first, a colour by step", () => {
  const found = grid([[[1, 64], [10, 1]], [[10, 16]]], 2);
  const pixels = new Uint32Array(4);

  paint(found, Uint32Array.from([0, 11, 12, 13, 14, 15, 16, 17, 18]), pixels);

  assert.deepEqual([...pixels], [11, 14, 18, 0]);
});

test("a value's height goes by its logarithm", () => {
  assert.equal(height({ columns: 1, rows: 2, low: 1, high: 100, weight: new Float32Array(), largest: 0 }, 10), 0.5);
});
