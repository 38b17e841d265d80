// Parts of a whole in whole percents. Pure.

/** They add up to 100, the largest remainders rounded up first; nothing of nothing is 0. */
export function percents(counts: readonly number[]): number[] {
  const total = counts.reduce((sum, count) => sum + count, 0);
  if (!(total > 0)) return counts.map(() => 0);
  const exact = counts.map((count) => (100 * count) / total);
  const whole = exact.map(Math.floor);
  const missing = 100 - whole.reduce((sum, each) => sum + each, 0);
  const order = exact.map((each, at) => ({ at, left: each - Math.floor(each) })).sort((a, b) => b.left - a.left);
  for (const { at } of order.slice(0, missing)) whole[at]! += 1;
  return whole;
}
