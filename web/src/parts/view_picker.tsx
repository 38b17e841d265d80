// Saved views: addresses that have a name, asked for when somebody wants to choose one.
import { useSignal } from "@preact/signals";
import { get } from "../api/client.ts";
import { ProblemError } from "../api/problem.ts";
import type { components } from "../api/schema.d.ts";
import { visit } from "../state/address.ts";

type View = components["schemas"]["ViewBody"];

export function ViewPicker() {
  const views = useSignal<readonly View[] | null>(null);
  const fill = () => {
    if (views.value) return;
    get<{ views: View[] }>("/v1/views").then((found) => { views.value = found.views; }, (error: unknown) => { if (!(error instanceof ProblemError)) throw error; });
  };
  return (
    <select aria-label="Saved view" value="" onFocus={fill} onPointerDown={fill} onChange={({ currentTarget }) => { const { value } = currentTarget; currentTarget.value = ""; if (value) visit(value); }}>
      <option value="">saved views …</option>
      {views.value?.map(({ name, about, url }) => <option key={url} value={url} title={about}>{name}</option>)}
      {views.value?.length === 0 && <option value="" disabled>none: deploy/views holds them</option>}
    </select>
  );
}
