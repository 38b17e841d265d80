// A button that copies a text and says that it has.
import { useSignal } from "@preact/signals";

export function Copy({ text, name = "Copy" }: { text: string; name?: string }) {
  const said = useSignal("");
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(text);
      said.value = "Copied";
    } catch {
      // Without HTTPS a browser gives no clipboard: the text is there to be taken by hand.
      said.value = text;
    }
  };
  return (
    <span class="copy">
      <button onClick={() => void copy()}>{name}</button> <span class="meta mono" role="status">{said}</span>
    </span>
  );
}
