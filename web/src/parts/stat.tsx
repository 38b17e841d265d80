// A figure with its name, how many samples it is made of, and how sure it is; muted where they are too few.
import type { ComponentChildren } from "preact";
import { RatingMark } from "./rating.tsx";
import type { Rating } from "./ratings.ts";

export interface StatProps {
  name: string;
  /** "–" where nothing is known. */
  value: string;
  /** Samples, as "4,812 loads". */
  n: string;
  /** As "2.9 to 3.3 s". */
  interval?: string | undefined;
  rating?: Rating | undefined;
  /** Whether such a figure is rated at all, so that there is a line for it. */
  isRated?: boolean;
  /** Too few samples, or nothing: no colour, no rating. */
  isMuted?: boolean;
  /** Against what is compared with, in words: "12 % slower". */
  change?: string | undefined;
  children?: ComponentChildren;
}

export function Stat({ name, value, n, interval, rating, isRated = false, isMuted = false, change, children }: StatProps) {
  return (
    <div class={isMuted ? "stat muted" : "stat"}>
      <span class="stat-name">{name}</span>
      <span class="stat-value">{value}{!isRated && rating && <small> <RatingMark rating={rating} isShort /></small>}</span>
      {isRated && <span class="stat-rating">{rating ? <RatingMark rating={rating} /> : "not rated"}</span>}
      <span class="meta">{[interval, n, change].filter(Boolean).join(" · ")}</span>
      {children}
    </div>
  );
}
