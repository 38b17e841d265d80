// Where the plot lies in a chart, the same for all charts that stand above each other. Pixels of CSS. Pure.

export const LEFT = 56;
export const TOP = 8;
export const BOTTOM = 24;
/** Room at the right without labels. */
export const RIGHT = 12;

/** Room for the labels at the ends of lines: a fifth of the chart, enough for names and no more than they need. */
export function labelRoom(names: readonly string[], width: number): number {
  const longest = Math.max(0, ...names.map((name) => name.length));
  return longest ? Math.min(Math.max(RIGHT, longest * 7 + 26), Math.round(width / 5) + 16) : RIGHT;
}

/** Positions at least `gap` apart within [low, high], each as near to where it wants to be as that allows. */
export function spread(wanted: readonly number[], gap: number, low: number, high: number): number[] {
  const order = wanted.map((at, index) => ({ at, index })).sort((a, b) => a.at - b.at);
  const found: number[] = Array.from({ length: wanted.length });
  let next = low;
  for (const one of order) {
    one.at = Math.max(one.at, next);
    next = one.at + gap;
  }
  let last = high;
  for (const one of order.reverse()) {
    one.at = Math.max(Math.min(one.at, last), low);
    last = one.at - gap;
    found[one.index] = one.at;
  }
  return found;
}

/** A name of at most `most` characters, cut in the middle, since names differ at their ends. */
export function cutMiddle(name: string, most: number): string {
  const signs = [...name];
  if (signs.length <= most) return name;
  const head = Math.ceil((most - 1) / 2);
  return `${signs.slice(0, head).join("")}…${signs.slice(signs.length - (most - 1 - head)).join("")}`;
}

/** An SVG path through the values; a gap begins anew, and a value alone is a dot. */
export function path(values: readonly (number | null)[], x: (at: number) => number, y: (value: number) => number): string {
  const known = (at: number) => values[at] !== null && values[at] !== undefined;
  return values
    .map((value, at) => {
      if (!known(at)) return "";
      const begins = !known(at - 1);
      return `${begins ? "M" : "L"}${x(at).toFixed(1)} ${y(value!).toFixed(1)}${begins && !known(at + 1) ? "h.01" : ""}`;
    })
    .join("");
}

/** Marks nearer to each other than this are one. */
const APART_PX = 24;

/** The windows that bear a mark of revision: the first of each run of them, and none that would stand in another's way. */
export function marked(revision: readonly number[], x: (at: number) => number, scale = 1): number[] {
  const found: number[] = [];
  revision.forEach((times, at) => {
    if (times && (!found.length || x(at) - x(found.at(-1)!) >= APART_PX * scale)) found.push(at);
  });
  return found;
}
