// Numbers with their units, as a reader wants them. Pure.

const LOCALE = "en";
const formats = new Map<string, Intl.NumberFormat>();

function numberFormat(options: Intl.NumberFormatOptions): Intl.NumberFormat {
  const key = JSON.stringify(options);
  const found = formats.get(key) ?? new Intl.NumberFormat(LOCALE, options);
  formats.set(key, found);
  return found;
}

/** Three figures, without an exponent: 0.00412, 6.25, 412, 48,210. */
export function plain(value: number): string {
  const size = Math.abs(value);
  if (size >= 1000) return numberFormat({ maximumFractionDigits: 0 }).format(value);
  return numberFormat({ maximumSignificantDigits: 3 }).format(value);
}

/** As short as an axis needs it: 412, 1.2K, 3.4M. */
export function short(value: number): string {
  return Math.abs(value) < 10_000 ? plain(value) : numberFormat({ notation: "compact", maximumSignificantDigits: 3 }).format(value);
}

/** Counts, whole where they are whole. */
export function count(value: number): string {
  return numberFormat({ maximumFractionDigits: Number.isInteger(value) ? 0 : 1 }).format(value);
}

/** A share of 1 as per cent. */
export function percent(value: number): string {
  const size = Math.abs(value);
  return `${numberFormat({ maximumFractionDigits: size >= 0.1 ? 0 : size >= 0.01 ? 1 : 2 }).format(value * 100)} %`;
}

/** A duration of `ms`: 4 ms, 0.61 s, 6.0 s, 2 min, 3 h. */
export function duration(ms: number): string {
  const size = Math.abs(ms);
  if (size < 1) return size === 0 ? "0 ms" : `${plain(ms)} ms`;
  if (size < 100) return `${numberFormat({ maximumSignificantDigits: 2 }).format(ms)} ms`;
  if (size < 1000) return `${numberFormat({ maximumFractionDigits: 0 }).format(ms)} ms`;
  if (size < 60_000) return `${numberFormat({ minimumFractionDigits: size < 10_000 ? 1 : 0, maximumFractionDigits: size < 10_000 ? 2 : 1 }).format(ms / 1000)} s`;
  if (size < 3_600_000) return `${numberFormat({ maximumFractionDigits: 0 }).format(ms / 60_000)} min`;
  if (size < 2 * 86_400_000) return `${numberFormat({ maximumFractionDigits: 0 }).format(ms / 3_600_000)} h`;
  return `${numberFormat({ maximumFractionDigits: 0 }).format(ms / 86_400_000)} d`;
}

const BYTES = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];

export function bytes(value: number): string {
  let [size, step] = [value, 0];
  while (Math.abs(size) >= 1024 && step < BYTES.length - 1) [size, step] = [size / 1024, step + 1];
  return `${plain(size)} ${BYTES[step]}`;
}

/** How a value of a unit (as UCUM writes it: `s`, `ms`, `By`, `1`) is written; others stand behind the number. */
export function formatOf(unit: string): (value: number) => string {
  switch (unit) {
    case "s":
      return (value) => duration(value * 1000);
    case "ms":
      return duration;
    case "By":
      return bytes;
    case "1":
      return (value) => (Math.abs(value) <= 1 ? percent(value) : plain(value));
    case "":
      return plain;
    default:
      return (value) => `${plain(value)} ${unit}`;
  }
}

/** "12 % more" or "as before", with the words for each direction; null where there is nothing to compare with. */
export function changed(now: number | null, before: number | null, words: readonly [more: string, less: string]): string | null {
  if (now === null || before === null || before === 0) return null;
  const share = (now - before) / Math.abs(before);
  if (Math.abs(share) < 0.005) return "as before";
  return `${numberFormat({ maximumFractionDigits: 0 }).format(Math.abs(share) * 100)} % ${share > 0 ? words[0] : words[1]}`;
}

/** How long something has lasted, in whole seconds: 21 s, 2 min. */
export function lasted(ms: number): string {
  return duration(Math.max(1000, Math.floor(ms / 1000) * 1000)).replace(".0", "");
}

/** How long ago, in words: "3 s ago", "2 min ago". */
export function ago(ms: number): string {
  return ms < 1000 ? "just now" : `${lasted(ms)} ago`;
}
