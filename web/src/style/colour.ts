// Colours as numbers: contrast by WCAG 2, distance in OKLab, and how three kinds of colour blindness see them.
// Source of the views: Machado, Oliveira, Fernandes 2009, severity 1.0, on linear light.

export type Triple = [number, number, number];
type Matrix = [Triple, Triple, Triple];

export const VIEWS: Record<"normal" | "protan" | "deutan" | "tritan", Matrix> = {
  normal: [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
  protan: [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
  deutan: [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.01182, 0.04294, 0.968881]],
  tritan: [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.3039]],
};

function times(m: Matrix, [a, b, c]: Triple): Triple {
  return m.map(([x, y, z]) => x * a + y * b + z * c) as Triple;
}

/** Linear light of #rrggbb, 0 to 1. */
export function linear(hex: string): Triple {
  return [1, 3, 5].map((at) => {
    const c = parseInt(hex.slice(at, at + 2), 16) / 255;
    return c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
  }) as Triple;
}

/** Contrast of two colours, 1 to 21. */
export function contrast(one: string, other: string): number {
  const [low, high] = [one, other]
    .map((hex) => linear(hex))
    .map(([r, g, b]) => 0.2126 * r + 0.7152 * g + 0.0722 * b)
    .sort((a, b) => a - b) as [number, number];
  return (high + 0.05) / (low + 0.05);
}

/** OKLab of linear light. */
export function oklab(light: Triple): Triple {
  const cones = times(
    [[0.4122214708, 0.5363325363, 0.0514459929], [0.2119034982, 0.6806995451, 0.1073969566], [0.0883024619, 0.2817188376, 0.6299787005]],
    light,
  ).map(Math.cbrt) as Triple;
  return times(
    [[0.2104542553, 0.793617785, -0.0040720468], [1.9779984951, -2.428592205, 0.4505937099], [0.0259040371, 0.7827717662, -0.808675766]],
    cones,
  );
}

/** The smallest distance of two of the colours in OKLab, as a view shows them. */
export function closest(colours: string[], view: keyof typeof VIEWS): number {
  const seen = colours.map((hex) => oklab(times(VIEWS[view], linear(hex)).map((c) => Math.min(1, Math.max(0, c))) as Triple));
  let least = Infinity;
  seen.forEach((one, at) => seen.slice(0, at).forEach((other) => {
    least = Math.min(least, Math.hypot(one[0] - other[0], one[1] - other[1], one[2] - other[2]));
  }));
  return least;
}
