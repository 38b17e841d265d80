// Range, zone and comparison of the page, as the address has them.
import { useSignal } from "@preact/signals";
import { nowMs } from "../api/client.ts";
import { ZONE, address, go } from "../state/address.ts";
import { wallText } from "../time/instants.ts";
import { MOVING, calendarRanges, rangeName, spanOf } from "../time/ranges.ts";
import { Dialog } from "./dialog.tsx";

const OTHER = "other";
const COMPARES: readonly [string, string][] = [
  ["", "no comparison"], ["previous", "⇄ the time before"], ["1d", "⇄ the day before"], ["7d", "⇄ the week before"], ["4w", "⇄ four weeks before"],
];

export function RangePicker() {
  const { from, to, tz: zone } = address.value;
  const isOpen = useSignal(false);
  const ranges = [...MOVING, ...calendarRanges(zone, nowMs())];
  const value = `${from} ${to}`;
  const isNamed = ranges.some((range) => `${range.from} ${range.to}` === value);
  const choose = (chosen: string) => {
    if (chosen === OTHER) isOpen.value = true;
    else {
      const [nextFrom, nextTo] = chosen.split(" ") as [string, string];
      go({ from: nextFrom, to: nextTo });
    }
  };
  return (
    <>
      <select id="range" aria-label="Range" value={value} onChange={({ currentTarget }) => { const chosen = currentTarget.value; currentTarget.value = value; choose(chosen); }}>
        {!isNamed && <option value={value}>{rangeName({ from, to }, zone, nowMs())}</option>}
        <optgroup label="moving">{ranges.slice(0, MOVING.length).map((range) => <option key={range.name} value={`${range.from} ${range.to}`}>{range.name}</option>)}</optgroup>
        <optgroup label="calendar">{ranges.slice(MOVING.length).map((range) => <option key={range.name} value={`${range.from} ${range.to}`}>{range.name}</option>)}</optgroup>
        <option value={OTHER}>from … to …</option>
      </select>
      {isOpen.value && <AbsoluteRange zone={zone} onClose={() => (isOpen.value = false)} />}
    </>
  );
}

function AbsoluteRange({ zone, onClose }: { zone: string; onClose(): void }) {
  const span = spanOf(address.value, zone, nowMs()) ?? { fromMs: nowMs() - 3_600_000, toMs: nowMs() };
  const [from, to] = [useSignal(wallText(span.fromMs, zone).slice(0, 16)), useSignal(wallText(span.toMs, zone).slice(0, 16))];
  const isRange = spanOf({ from: from.value, to: to.value }, zone, nowMs()) !== null;
  const submit = (event: Event) => {
    event.preventDefault();
    if (!isRange) return;
    go({ from: from.value, to: to.value });
    onClose();
  };
  return (
    <Dialog title={`Range, in ${zone}`} onClose={onClose}>
      <form class="form" onSubmit={submit}>
        <label>From <input type="datetime-local" required value={from.value} onInput={({ currentTarget }) => (from.value = currentTarget.value)} /></label>
        <label>To <input type="datetime-local" required value={to.value} onInput={({ currentTarget }) => (to.value = currentTarget.value)} /></label>
        {!isRange && <p class="meta" role="alert">The end must be after the begin.</p>}
        <p class="actions"><button class="primary" disabled={!isRange}>Show this range</button></p>
      </form>
    </Dialog>
  );
}

/** Those of this browser and of the address first, then all that it knows. */
export function ZonePicker() {
  const { tz } = address.value;
  const all = useSignal<readonly string[]>([]);
  const first = [...new Set([ZONE, "UTC", tz])];
  const fill = () => { if (!all.value.length) all.value = Intl.supportedValuesOf("timeZone").filter((zone) => !first.includes(zone)); };
  return (
    <select aria-label="Time zone" value={tz} onFocus={fill} onPointerDown={fill} onChange={({ currentTarget }) => go({ tz: currentTarget.value })}>
      {first.map((zone) => <option key={zone} value={zone}>{zone}</option>)}
      {all.value.length > 0 && <optgroup label="all">{all.value.map((zone) => <option key={zone} value={zone}>{zone}</option>)}</optgroup>}
    </select>
  );
}

export function ComparePicker() {
  const { compare } = address.value;
  const isOpen = useSignal(false);
  const known = COMPARES.some(([value]) => value === compare);
  const choose = (chosen: string) => {
    if (chosen === OTHER) isOpen.value = true;
    else go({ compare: chosen });
  };
  return (
    <>
      <select id="compare" aria-label="Compare with" value={compare} onChange={({ currentTarget }) => { const chosen = currentTarget.value; currentTarget.value = compare; choose(chosen); }}>
        {COMPARES.map(([value, name]) => <option key={value} value={value}>{name}</option>)}
        {!known && <option value={compare}>⇄ {compare} before</option>}
        <option value={OTHER}>another time …</option>
      </select>
      {isOpen.value && <OtherCompare onClose={() => (isOpen.value = false)} />}
    </>
  );
}

const UNITS = [["h", "hours"], ["d", "days"], ["w", "weeks"]] as const;

function OtherCompare({ onClose }: { onClose(): void }) {
  const [n, unit] = [useSignal(""), useSignal("d")];
  const submit = (event: Event) => {
    event.preventDefault();
    go({ compare: n.value + unit.value });
    onClose();
  };
  return (
    <Dialog title="Compare with what was before" onClose={onClose}>
      <form class="form row" onSubmit={submit}>
        <label>How many <input type="number" required min="1" max="999" value={n.value} onInput={({ currentTarget }) => (n.value = currentTarget.value)} /></label>
        <label>Of what <select value={unit.value} onChange={({ currentTarget }) => (unit.value = currentTarget.value)}>{UNITS.map(([value, name]) => <option key={value} value={value}>{name}</option>)}</select></label>
        <button class="primary">Compare</button>
      </form>
    </Dialog>
  );
}
