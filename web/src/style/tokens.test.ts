// The colours of tokens.css keep what design promises of them: contrast, distance for all eyes, even steps.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { closest, contrast, linear, oklab, VIEWS } from "./colour.ts";

const css = readFileSync(new URL("./tokens.css", import.meta.url), "utf8");

function block(opening: string): Record<string, string> {
  const begin = css.indexOf(opening);
  assert.notEqual(begin, -1, opening);
  const body = css.slice(css.indexOf("{", begin + opening.length - 1) + 1, css.indexOf("}", begin));
  return Object.fromEntries([...body.matchAll(/--([\w-]+):\s*([^;]+);/g)].map((found) => [found[1], found[2]]));
}

const THEMES = { light: block(":root {"), dark: block(':root[data-theme="dark"] {') };
const colour = (theme: Record<string, string>, name: string) => theme[name] ?? assert.fail(`no ${name}`);
const series = (theme: Record<string, string>) => [1, 2, 3, 4, 5].map((n) => colour(theme, `series-${n}`));
const ratings = (theme: Record<string, string>) => ["quiet", "warn", "bad"].map((name) => colour(theme, name));

function least(colours: string[]): number {
  return Math.min(...(Object.keys(VIEWS) as (keyof typeof VIEWS)[]).map((view) => closest(colours, view)));
}

test("the dark theme is the same by system and by choice", () => {
  assert.deepEqual(block(':root:not([data-theme="light"]) {'), THEMES.dark);
});

test("both themes name the same tokens", () => {
  const colours = (theme: Record<string, string>) => Object.keys(theme).filter((name) => theme[name]?.startsWith("#")).sort();

  assert.deepEqual(colours(THEMES.dark), colours(THEMES.light));
});

for (const [name, theme, expected] of [
  ["light", THEMES.light, { ink: 16.4, muted: 6.3, accent: 5.3 }],
  ["dark", THEMES.dark, { ink: 13.7, muted: 6.7, accent: 7.4 }],
] as const) {
  test(`text has the contrast that design gives, ${name}`, () => {
    const surface = colour(theme, "surface");
    const found = Object.keys(expected).map((token) => [token, Math.round(10 * contrast(colour(theme, token), surface)) / 10]);

    assert.deepEqual(Object.fromEntries(found), expected);
  });

  test(`every text reads on surface and ground at 4.5, ${name}`, () => {
    for (const token of ["ink", "muted", "accent", "warn-text", "bad-text"])
      for (const under of ["surface", "ground"]) assert.ok(contrast(colour(theme, token), colour(theme, under)) >= 4.5, `${token} on ${under}`);
    assert.ok(contrast(colour(theme, "on-accent"), colour(theme, "accent")) >= 4.5);
  });

  test(`shapes and lines stand out at 3, ${name}`, () => {
    for (const hex of [...ratings(theme), ...series(theme)]) assert.ok(contrast(hex, colour(theme, "surface")) >= 3, hex);
  });

  test(`steps of the heat map are even in lightness, from surface to accent, ${name}`, () => {
    const steps = ["surface", ...[1, 2, 3, 4, 5, 6, 7, 8].map((n) => `heat-${n}`)].map((token) => oklab(linear(colour(theme, token)))[0]);
    const step = (steps[8]! - steps[0]!) / 8;

    assert.equal(colour(theme, "heat-8"), colour(theme, "accent"));
    steps.slice(1).forEach((lightness, at) => assert.ok(Math.abs(lightness - steps[at]! - step) < 0.004, `${at + 1}`));
  });
}

test("series keep apart for all eyes", () => {
  assert.deepEqual([0.15, 0.16], [THEMES.light, THEMES.dark].map((theme) => Math.round(100 * least(series(theme))) / 100));
});

test("ratings keep apart for all eyes", () => {
  assert.deepEqual([0.16, 0.14], [THEMES.light, THEMES.dark].map((theme) => Math.round(100 * least(ratings(theme))) / 100));
});

test("the measure is the one of design: Okabe and Ito's colours come to 0.08", () => {
  const okabe = ["#e69f00", "#56b4e9", "#009e73", "#f0e442", "#0072b2", "#d55e00", "#cc79a7", "#000000"];

  assert.equal(Math.round(100 * least(okabe)) / 100, 0.08);
});
