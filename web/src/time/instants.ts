// Instants and wall times of a zone, by Intl. Milliseconds UTC. Pure: now is an argument.

/** What a clock on a wall of the zone shows. */
export interface Wall {
  readonly year: number;
  readonly month: number;
  readonly day: number;
  readonly hour: number;
  readonly minute: number;
  readonly second: number;
}

const formats = new Map<string, Intl.DateTimeFormat>();

function partsFormat(zone: string): Intl.DateTimeFormat {
  let found = formats.get(zone);
  if (!found) {
    found = new Intl.DateTimeFormat("en-GB", {
      timeZone: zone, hourCycle: "h23", year: "numeric", month: "2-digit", day: "2-digit", hour: "2-digit", minute: "2-digit", second: "2-digit",
    });
    formats.set(zone, found);
  }
  return found;
}

/** Whether the zone is one that this browser knows. */
export function isZone(zone: string): boolean {
  try {
    partsFormat(zone);
    return true;
  } catch {
    return false;
  }
}

/** The wall time of an instant. */
export function wallOf(ms: number, zone: string): Wall {
  const parts = Object.fromEntries(partsFormat(zone).formatToParts(ms).map(({ type, value }) => [type, Number(value)]));
  return { year: parts.year!, month: parts.month!, day: parts.day!, hour: parts.hour!, minute: parts.minute!, second: parts.second! };
}

/** The instant of a wall time: the first one where there are two, the first after it where there is none. */
export function instantOf(wall: Wall, zone: string): number {
  const wanted = Date.UTC(wall.year, wall.month - 1, wall.day, wall.hour, wall.minute, wall.second);
  const shift = (ms: number) => {
    const seen = wallOf(ms, zone);
    return Date.UTC(seen.year, seen.month - 1, seen.day, seen.hour, seen.minute, seen.second) - ms;
  };
  // The offset is that of a day before or of a day after, and at most one change lies between.
  const tries = [wanted - shift(wanted - 86_400_000), wanted - shift(wanted + 86_400_000)].sort((a, b) => a - b);
  const exact = tries.find((ms) => ms + shift(ms) === wanted);
  if (exact !== undefined) return exact;
  let [low, high] = [tries[0]!, tries[1]!];
  while (high - low > 1000) {
    const middle = Math.floor((low + high) / 2000) * 1000;
    if (middle + shift(middle) < wanted) low = middle;
    else high = middle;
  }
  return high;
}

const WALL = /^(\d{4})-(\d{2})-(\d{2})(?:T(\d{2}):(\d{2})(?::(\d{2}))?)?$/;
const AGO = /^now(?:-(\d{1,6})(s|m|h|d|w))?$/;
const UNIT_MS: Record<string, number> = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000 };

/** The instant that a bound of an address stands for; null where it is none. */
export function boundMs(text: string, zone: string, nowMs: number): number | null {
  const ago = AGO.exec(text);
  if (ago) return nowMs - (ago[1] ? Number(ago[1]) * UNIT_MS[ago[2]!]! : 0);
  if (/^\d{10,15}$/.test(text)) return Number(text);
  const wall = WALL.exec(text);
  if (wall) {
    const [year, month, day, hour = 0, minute = 0, second = 0] = wall.slice(1).map((part) => (part === undefined ? undefined : Number(part)));
    return instantOf({ year: year!, month: month!, day: day!, hour, minute, second }, zone);
  }
  if (!/^\d{4}-\d{2}-\d{2}T.*(Z|[+-]\d{2}:?\d{2})$/.test(text)) return null;
  const ms = Date.parse(text);
  return Number.isNaN(ms) ? null : ms;
}

/** An instant as a bound of a zone: `2026-10-24T00:00`, with seconds where it has some. */
export function wallText(ms: number, zone: string): string {
  const { year, month, day, hour, minute, second } = wallOf(ms, zone);
  const two = (n: number) => String(n).padStart(2, "0");
  return `${year}-${two(month)}-${two(day)}T${two(hour)}:${two(minute)}${second ? `:${two(second)}` : ""}`;
}
