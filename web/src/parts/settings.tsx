// What a person may set, and the keys that the page knows.
import { Dialog } from "./dialog.tsx";
import { linkToPage } from "../state/address.ts";
import type { Shortcut } from "../state/keys.ts";
import { type Theme, prefer, preferences } from "../state/preferences.ts";
import { logOut, session } from "../state/session.ts";

const THEMES: readonly [Theme, string][] = [["auto", "as the system"], ["light", "light"], ["dark", "dark"]];

export function Settings({ onClose }: { onClose(): void }) {
  const { theme, areKeysOn } = preferences.value;
  const who = session.value;
  const leave = async () => {
    await logOut();
    onClose();
  };
  return (
    <Dialog title="Settings" onClose={onClose}>
      <form class="form">
        <label>Theme <select value={theme} onChange={({ currentTarget }) => prefer({ theme: currentTarget.value as Theme })}>{THEMES.map(([value, name]) => <option key={value} value={value}>{name}</option>)}</select></label>
        <label class="check"><input type="checkbox" checked={areKeysOn} onChange={({ currentTarget }) => prefer({ areKeysOn: currentTarget.checked })} /> Single keys do something (<kbd>?</kbd> lists them)</label>
      </form>
      {who && <p>Logged in with the key <code>{who.key}…</code> of <strong>{who.tenant}</strong>, scope {who.scope}.</p>}
      <p class="actions">
        <a href={linkToPage("keys")} onClick={onClose}>Keys</a>
        {who && <button onClick={() => void leave()}>Log out</button>}
      </p>
    </Dialog>
  );
}

export function Help({ shortcuts, onClose }: { shortcuts: readonly Shortcut[]; onClose(): void }) {
  return (
    <Dialog title="Keys" onClose={onClose}>
      <dl class="keys">
        {shortcuts.map(({ keys, name }) => (
          <div key={keys}><dt>{keys.split(" ").map((key) => <kbd key={key}>{key}</kbd>)}</dt><dd>{name}</dd></div>
        ))}
        <div><dt><kbd>←</kbd><kbd>→</kbd></dt><dd>in a chart: go through its windows; <kbd>Enter</kbd> begins a selection, <kbd>T</kbd> shows the table</dd></div>
        <div><dt><kbd>j</kbd><kbd>k</kbd></dt><dd>in a table: next and previous row</dd></div>
      </dl>
    </Dialog>
  );
}
