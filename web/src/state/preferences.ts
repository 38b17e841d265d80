// What a person prefers, kept by this browser: the theme, and whether single keys do something.
import { effect, signal } from "@preact/signals";

export type Theme = "auto" | "light" | "dark";

const NAME = "tidegauge.preferences";

interface Preferences {
  readonly theme: Theme;
  readonly areKeysOn: boolean;
  /** Who it is, as alerts are acknowledged and silenced; empty: nobody has said so. */
  readonly person: string;
}

const USUAL: Preferences = { theme: "auto", areKeysOn: true, person: "" };

function stored(): Preferences {
  try {
    const read = JSON.parse(localStorage.getItem(NAME) ?? "{}") as Partial<Preferences>;
    return {
      theme: read.theme === "light" || read.theme === "dark" ? read.theme : "auto",
      areKeysOn: read.areKeysOn !== false,
      person: typeof read.person === "string" ? read.person.slice(0, 200) : "",
    };
  } catch {
    // Storage may be forbidden, or hold what another page wrote.
    return USUAL;
  }
}

export const preferences = signal<Preferences>(stored());

export function prefer(change: Partial<Preferences>): void {
  preferences.value = { ...preferences.value, ...change };
  try {
    localStorage.setItem(NAME, JSON.stringify(preferences.value));
  } catch {
    // It holds for this visit all the same.
  }
}

effect(() => {
  const { theme } = preferences.value;
  if (theme === "auto") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
});
