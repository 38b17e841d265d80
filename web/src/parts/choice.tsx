// A few choices as buttons beside each other, one of them pressed.

export interface ChoiceProps {
  name: string;
  options: readonly { value: string; text: string }[];
  chosen: string;
  onChoose(value: string): void;
}

export function Choice({ name, options, chosen, onChoose }: ChoiceProps) {
  return (
    <div class="choices" role="group" aria-label={name}>
      <span class="meta">{name}</span>
      {options.map(({ value, text }) => (
        <button key={value} aria-pressed={value === chosen} onClick={() => onChoose(value)}>{text}</button>
      ))}
    </div>
  );
}
