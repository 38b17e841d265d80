// A rating as shape, word and colour; never by colour alone.
import { RATINGS, type Rating } from "./ratings.ts";

export function RatingMark({ rating, isShort = false }: { rating: Rating; isShort?: boolean }) {
  const { shape, tone } = RATINGS.find((each) => each.rating === rating)!;
  return (
    <span class={`rating ${tone}`}>
      <span class={`shape ${tone}`} aria-hidden="true">{shape}</span>
      <span class={isShort ? "hidden-text" : "word"}> {rating}</span>
    </span>
  );
}
