// The alerts that are active, for the frame and the pages.
import { computed, signal } from "@preact/signals";
import type { components } from "../api/schema.d.ts";

export type Alert = components["schemas"]["AlertBody"];

/** null: not known yet. */
export const active = signal<readonly Alert[] | null>(null);

/** The ones that fire. */
export const firing = computed(() => active.value?.filter((alert) => alert.state === "firing") ?? []);

const SEVERITIES = ["critical", "error", "warning", "info"];

/** 0 is the most severe; what a rule does not say counts as a warning. */
export function severityOf(alert: Pick<Alert, "labels">): number {
  const at = SEVERITIES.indexOf(alert.labels.severity ?? "warning");
  return at < 0 ? 2 : at;
}

/** How many people need: `bad` pages somebody, `warn` does not. */
export function toneOf(alert: Pick<Alert, "labels">): "bad" | "warn" {
  return severityOf(alert) < 2 ? "bad" : "warn";
}

/** The name of an alert's rule, without that of its group. */
export function ruleName(alert: Pick<Alert, "labels" | "rule">): string {
  return alert.labels.alertname ?? alert.rule.split("/").at(-1) ?? alert.rule;
}

const OF_ALL = new Set(["severity", "alertname", "tenant", "metric", "kind", "unit"]);

/** What an alert is about: a path stands first, by itself, then the labels that tell it apart from others of its rule; all it has without either. */
export function subject(alert: Pick<Alert, "labels"> & { rule?: string }, among: readonly Alert[] = active.value ?? []): string {
  const own = Object.entries(alert.labels).filter(([name]) => !OF_ALL.has(name));
  const isPath = ([, value]: [string, string]) => value.startsWith("/");
  const others = own.filter((one) => !isPath(one));
  const telling = others.filter(([name, value]) => among.some((other) => other.rule === alert.rule && other.labels[name] !== value));
  const paths = own.filter(isPath).map(([, value]) => value);
  return [...paths, ...(paths.length || telling.length ? telling : others).map((one) => one.join("="))].join(" ");
}
