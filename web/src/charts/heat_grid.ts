// A heat map's cells from the sketches' histograms: buckets put together into at most 60 rows of equal ratio. Pure.
// A cell is the weight of one window and one row; colour goes by the square root, so that few are seen beside many.

export type Histogram = readonly (readonly [value: number, weight: number])[];

export interface Grid {
  columns: number;
  rows: number;
  /** Lower edge of the lowest row and upper edge of the highest; both positive. */
  low: number;
  high: number;
  /** Weight by column and row, a column after the other, the lowest row first. */
  weight: Float32Array;
  largest: number;
}

export const MOST_ROWS = 60;
export const STEPS = 8;

/** Values that are not positive have no place on a logarithmic axis: they count in the lowest row. */
export function grid(histograms: readonly (Histogram | null)[], most = MOST_ROWS): Grid {
  let low = Infinity;
  let high = 0;
  for (const histogram of histograms)
    for (const bucket of histogram ?? []) {
      const value = bucket[0];
      if (!(bucket[1] > 0) || !(value > 0)) continue;
      if (value < low) low = value;
      if (value > high) high = value;
    }
  if (!(high > 0)) [low, high] = [0.5, 2];
  // A row is no finer than a bucket of the sketch, which is 2 % wide.
  const rows = Math.max(1, Math.min(most, Math.ceil(Math.log(high / low) / Math.log(1.0202)) + 1));
  const margin = rows === 1 ? 1.02 : (high / low) ** (0.5 / (rows - 1));
  [low, high] = [low / margin, high * margin];
  const weights = new Float32Array(histograms.length * rows);
  const scale = rows / Math.log(high / low);
  const base = Math.log(low);
  let largest = 0;
  for (let column = 0; column < histograms.length; column++) {
    const begin = column * rows;
    for (const bucket of histograms[column] ?? []) {
      const value = bucket[0];
      const weight = bucket[1];
      if (!(weight > 0)) continue;
      const row = value > 0 ? Math.min(rows - 1, Math.max(0, Math.floor((Math.log(value) - base) * scale))) : 0;
      const sum = weights[begin + row]! + weight;
      weights[begin + row] = sum;
      if (sum > largest) largest = sum;
    }
  }
  return { columns: histograms.length, rows, low, high, weight: weights, largest };
}

/** The step of colour of a weight: 0 for none, else 1 to 8. */
export function stepOf(weight: number, largest: number): number {
  return weight > 0 ? Math.max(1, Math.ceil(STEPS * Math.sqrt(weight / largest) - 1e-6)) : 0;
}

/** The largest weight of each step, for the legend. */
export function legend(largest: number): number[] {
  return Array.from({ length: STEPS }, (_, at) => largest * ((at + 1) / STEPS) ** 2);
}

/** The values between which a row lies. */
export function edges({ low, high, rows }: Grid, row: number): [number, number] {
  const ratio = (high / low) ** (1 / rows);
  return [low * ratio ** row, low * ratio ** (row + 1)];
}

/** Where a value lies between bottom (0) and top (1). */
export function height({ low, high }: Grid, value: number): number {
  return Math.log(value / low) / Math.log(high / low);
}

/** Fill pixels, one a cell, highest row first; `palette` has RGBA words by step, that of none first. */
export function paint({ columns, rows, weight, largest }: Grid, palette: Uint32Array, pixels: Uint32Array): void {
  const root = largest > 0 ? STEPS / Math.sqrt(largest) : 0;
  for (let column = 0; column < columns; column++)
    for (let row = 0; row < rows; row++) {
      const cell = weight[column * rows + row]!;
      pixels[(rows - 1 - row) * columns + column] = palette[cell > 0 ? Math.max(1, Math.ceil(Math.sqrt(cell) * root - 1e-6)) : 0]!;
    }
}
