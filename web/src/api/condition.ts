// One condition of `where`, as the query API reads it. Pure.

/** That a label has a value, or has another one. The value stands as it is; a label with signs of the language stands in quotes. */
export function conditionOf(label: string, value: string, isExcluded = false): string {
  const named = /^[^=!~"\s]+$/.test(label) ? label : `"${label.replaceAll("\\", "\\\\").replaceAll('"', '\\"')}"`;
  return `${named}${isExcluded ? "!=" : "="}${value}`;
}
