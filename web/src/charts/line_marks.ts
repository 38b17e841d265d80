// What is drawn over lines: limits, names at their ends, hollow points of open windows, and marks of revisions.
import type uPlot from "uplot";
import { cutMiddle, marked, spread } from "./area.ts";
import { split } from "./incomplete.ts";
import { middles, type Present } from "./line_options.ts";
import { token } from "./theme.ts";
import { toneToken } from "./types.ts";

const LABEL_PX = 14;

export function marks(plot: uPlot, { windows, drawn, limits, format }: Present): void {
  const { ctx, bbox } = plot;
  const scale = devicePixelRatio || 1;
  const times = middles(windows);
  const x = (at: number) => plot.valToPos(times[at]!, "x", true);
  const y = (value: number) => plot.valToPos(value, "y", true);
  ctx.save();
  ctx.font = `${12 * scale}px ${token("font")}`;
  ctx.textBaseline = "middle";
  ctx.textAlign = "left";
  for (const limit of limits) {
    const level = y(limit.value);
    if (level < bbox.top) continue;
    ctx.strokeStyle = ctx.fillStyle = token("muted");
    ctx.lineWidth = scale;
    ctx.setLineDash([2 * scale, 4 * scale]);
    ctx.beginPath();
    ctx.moveTo(bbox.left, level);
    ctx.lineTo(bbox.left + bbox.width, level);
    ctx.stroke();
    ctx.setLineDash([]);
    ctx.strokeStyle = token("surface");
    ctx.lineWidth = 4 * scale;
    const text = `${limit.name} ${format(limit.value)}`;
    // Above its line, and below it where it would be cut off.
    const at = level + (level - 16 * scale < bbox.top ? 10 : -8) * scale;
    ctx.strokeText(text, bbox.left + 4 * scale, at);
    ctx.fillText(text, bbox.left + 4 * scale, at);
  }
  ctx.setLineDash([]);
  points(ctx, scale, x, y, { windows, drawn });
  revisions(ctx, scale, x, bbox.top + bbox.height, drawn);
  names(ctx, scale, bbox, y, drawn);
  ctx.restore();
}

type Position = (value: number) => number;

/** A value between two gaps has no line: it is a dot. The newest open one is hollow. */
function points(ctx: CanvasRenderingContext2D, scale: number, x: Position, y: Position, { windows, drawn }: Pick<Present, "windows" | "drawn">): void {
  for (const { values, tone } of drawn) {
    const { hollow } = split(values, windows.complete);
    values.forEach((value, at) => {
      const known = (of: number) => typeof values[of] === "number";
      if (value === null || (at !== hollow && (known(at - 1) || known(at + 1)))) return;
      ctx.beginPath();
      ctx.arc(x(at), y(value), 3 * scale, 0, 7);
      ctx.fillStyle = at === hollow ? token("surface") : token(toneToken(tone));
      ctx.strokeStyle = token(toneToken(tone));
      ctx.lineWidth = 1.5 * scale;
      ctx.fill();
      ctx.stroke();
    });
  }
}

function revisions(ctx: CanvasRenderingContext2D, scale: number, x: Position, bottom: number, drawn: Present["drawn"]): void {
  ctx.fillStyle = token("muted");
  const longest = Math.max(0, ...drawn.map(({ revision }) => revision?.length ?? 0));
  const revised = Array.from({ length: longest }, (_, at) => Math.max(0, ...drawn.map(({ revision }) => revision?.[at] ?? 0)));
  for (const at of marked(revised, x, scale)) {
    ctx.beginPath();
    ctx.moveTo(x(at) - 4 * scale, bottom - 6 * scale);
    ctx.lineTo(x(at) + 4 * scale, bottom - 6 * scale);
    ctx.lineTo(x(at), bottom);
    ctx.fill();
  }
}

function names(ctx: CanvasRenderingContext2D, scale: number, bbox: uPlot.BBox, y: Position, drawn: Present["drawn"]): void {
  const ends = drawn.flatMap((line) => {
    const value = line.values.filter((each) => each !== null).at(-1);
    return typeof value === "number" ? [{ line, at: y(value) }] : [];
  });
  const half = (LABEL_PX * scale) / 2;
  const positions = spread(ends.map((end) => end.at), LABEL_PX * scale, bbox.top + half, bbox.top + bbox.height - half);
  const right = bbox.left + bbox.width + 6 * scale;
  const most = Math.floor((ctx.canvas.width - right) / scale / 6.6 - 2);
  ends.forEach(({ line }, index) => {
    // The colour stands beside the name, not in it: text needs more contrast than a line.
    ctx.fillStyle = token(toneToken(line.tone));
    ctx.fillRect(right, positions[index]! - 1.5 * scale, 8 * scale, 3 * scale);
    ctx.fillStyle = token(typeof line.tone === "number" ? "ink" : "muted");
    ctx.fillText(cutMiddle(line.name, Math.max(4, most)), right + 12 * scale, positions[index]!);
  });
}
