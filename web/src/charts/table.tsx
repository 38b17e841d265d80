// The data of a chart as a table, newest first.
import type { TableText } from "./rows.ts";

export function ChartTable({ caption, columns, rows }: TableText & { caption: string }) {
  return (
    <div class="chart-table" role="region" aria-label={`${caption}, as a table`} tabIndex={0}>
      <table>
        <caption class="hidden-text">{caption}</caption>
        <thead>
          <tr>{columns.map((column) => <th scope="col">{column}</th>)}</tr>
        </thead>
        <tbody>
          {[...rows].reverse().map(([head, ...cells]) => (
            <tr>
              <th scope="row">{head}</th>
              {cells.map((cell) => <td>{cell}</td>)}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
