// The cursor of a chart by keyboard. Pure: a state and a key make the next state, or a range.
// Indexes are those of windows; rows, where a chart has them, count from the bottom.

export interface Cursor {
  /** Index of the window, null while there is no cursor. */
  at: number | null;
  /** Row, in charts that have rows. */
  row: number;
  /** Where a brush began, null while there is none. */
  from: { at: number; row: number } | null;
}

export interface Brushed {
  from: number;
  to: number;
  low: number;
  high: number;
}

export const NONE: Cursor = { at: null, row: 0, from: null };

export interface Step {
  cursor: Cursor;
  /** Windows (and rows) that Enter has closed a brush around. */
  brushed?: Brushed;
}

const FAR = 10;

/** What a key does among `count` windows and `rows` rows; undefined: the key is not for the chart. */
export function pressed(cursor: Cursor, key: string, shift: boolean, count: number, rows = 1): Step | undefined {
  if (!count) return undefined;
  const by = shift ? FAR : 1;
  const to = (at: number, row = cursor.row): Step => ({
    cursor: { ...cursor, at: Math.min(count - 1, Math.max(0, at)), row: Math.min(rows - 1, Math.max(0, row)) },
  });
  switch (key) {
    case "ArrowLeft":
      return to(cursor.at === null ? count - 1 : cursor.at - by);
    case "ArrowRight":
      return to(cursor.at === null ? 0 : cursor.at + by);
    case "Home":
      return to(0);
    case "End":
      return to(count - 1);
    case "ArrowUp":
      return rows > 1 ? to(cursor.at ?? count - 1, cursor.row + by) : undefined;
    case "ArrowDown":
      return rows > 1 ? to(cursor.at ?? count - 1, cursor.row - by) : undefined;
    case "Enter":
      return entered(cursor);
    case "Escape":
      return cursor.at === null ? undefined : { cursor: cursor.from ? { ...cursor, from: null } : NONE };
    default:
      return undefined;
  }
}

function entered(cursor: Cursor): Step | undefined {
  const { at, row, from } = cursor;
  if (at === null) return undefined;
  if (!from) return { cursor: { ...cursor, from: { at, row } } };
  return {
    cursor: { ...cursor, from: null },
    brushed: { from: Math.min(from.at, at), to: Math.max(from.at, at), low: Math.min(from.row, row), high: Math.max(from.row, row) },
  };
}
