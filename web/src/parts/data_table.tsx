// A table with sort buttons, whose rows stay where they are while somebody reads them; j and k go through the rows.
import { useSignal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { useMemo, useRef } from "preact/hooks";
import { cutMiddle } from "../charts/area.ts";
import { type Cell, type Sort, kept, sorted } from "./sorting.ts";

export interface Column<Row> {
  name: string;
  /** What rows are sorted by; without it there is no sort button. */
  cell?(row: Row): Cell;
  shown(row: Row): ComponentChildren;
  /** Left-aligned. */
  isText?: boolean;
  /** Left out where there is no room: the row's card has it. */
  isExtra?: boolean;
}

export interface DataTableProps<Row> {
  caption: string;
  columns: readonly Column<Row>[];
  rows: readonly Row[];
  keyOf(row: Row): string;
  sort: Sort;
  /** Enter or a click on the name of a row; with Alt it means the opposite. */
  onOpen?: (row: Row, isOpposite: boolean) => void;
  selected?: string;
  most?: number;
}

const NAME_LENGTH = 48;

export function DataTable<Row>({ caption, columns, rows, keyOf, sort, onOpen, selected, most = 100 }: DataTableProps<Row>) {
  const by = useSignal(sort);
  const isRead = useSignal(false);
  const opened = useSignal("");
  const before = useRef<string[]>([]);
  const body = useRef<HTMLTableSectionElement>(null);
  const found = useMemo(() => new Map(rows.map((row) => [keyOf(row), row])), [rows]);
  const column = columns.find((each) => each.name === by.value.column);
  const now = useMemo(() => sorted([...found.keys()], (key) => column?.cell?.(found.get(key)!) ?? null, by.value.isDescending), [found, by.value]);
  const order = isRead.value ? kept(before.current, now) : { order: now, fresh: 0, isStale: false };
  before.current = order.order;
  const again = () => {
    before.current = now;
    isRead.value = false;
  };
  const onKeyDown = (event: KeyboardEvent) => {
    const step = { j: 1, k: -1 }[event.key];
    if (!step || event.ctrlKey || event.metaKey || event.altKey) return;
    const heads = [...(body.current?.querySelectorAll<HTMLElement>("th button") ?? [])];
    const at = heads.indexOf(document.activeElement as HTMLElement);
    heads[Math.min(heads.length - 1, Math.max(0, at + step))]?.focus();
    event.preventDefault();
    event.stopPropagation();
  };
  const [head, ...rest] = columns;
  return (
    <div class="data-table" onPointerEnter={() => (isRead.value = true)} onPointerLeave={again} onFocusIn={() => (isRead.value = true)} onFocusOut={again} onKeyDown={onKeyDown}>
      <p class="data-table-note meta" role="status">
        {order.isStale && <button class="plain" onClick={again}>{order.fresh ? `${order.fresh} new, sort again` : "Sort again"}</button>}
      </p>
      <table>
        <caption>{caption}</caption>
        <thead>
          <tr>{columns.map((each) => <HeadCell key={each.name} column={each} sort={by.value} onSort={(next) => { by.value = next; again(); }} />)}</tr>
        </thead>
        <tbody ref={body}>
          {order.order.slice(0, most).map((key) => {
            const row = found.get(key)!;
            const isOpen = opened.value === key;
            return [
              <tr key={key} class={selected === key ? "selected" : ""}>
                <th scope="row" class="words">
                  <button class={onOpen ? "plain row-name" : "plain row-name inert"} title={key} aria-expanded={isOpen} onClick={(event) => { opened.value = isOpen ? "" : key; onOpen?.(row, event.altKey); }}>{nameOf(head!.shown(row))}</button>
                </th>
                {rest.map((each) => <td key={each.name} class={`${each.isText ? "words" : "number"} ${each.isExtra ? "extra" : ""}`}>{each.shown(row)}</td>)}
              </tr>,
              isOpen && <CardRow key={`${key} card`} columns={rest} row={row} />,
            ];
          })}
        </tbody>
      </table>
      {order.order.length > most && <p class="meta">{(order.order.length - most).toLocaleString("en")} more are not shown.</p>}
    </div>
  );
}

/** What a narrow table leaves out, below the row that was opened; where there is room it is not shown. */
function CardRow<Row>({ columns, row }: { columns: readonly Column<Row>[]; row: Row }) {
  return (
    <tr class="card-row">
      <td colSpan={columns.length + 1}>
        <dl class="card">{columns.map((each) => <div key={each.name}><dt>{each.name}</dt><dd>{each.shown(row)}</dd></div>)}</dl>
      </td>
    </tr>
  );
}

function nameOf(shown: ComponentChildren): ComponentChildren {
  return typeof shown === "string" ? cutMiddle(shown, NAME_LENGTH) : shown;
}

function HeadCell<Row>({ column, sort, onSort }: { column: Column<Row>; sort: Sort; onSort(sort: Sort): void }) {
  const isSorted = sort.column === column.name;
  const classes = `${column.isText ? "words" : ""} ${column.isExtra ? "extra" : ""}`;
  if (!column.cell) return <th scope="col" class={classes}>{column.name}</th>;
  return (
    <th scope="col" class={classes} {...(isSorted ? { "aria-sort": sort.isDescending ? ("descending" as const) : ("ascending" as const) } : {})}>
      <button class="plain sort" onClick={() => onSort({ column: column.name, isDescending: isSorted ? !sort.isDescending : true })}>
        {column.name}<span aria-hidden="true">{isSorted ? (sort.isDescending ? " ↓" : " ↑") : ""}</span>
      </button>
    </th>
  );
}
