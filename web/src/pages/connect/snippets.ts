// What one pastes into an application, by what one has. Pure; a key stands in it only where it was made for it just now.

export interface Filled {
  readonly intake: string;
  /** A key, or what stands for one. */
  readonly key: string;
  /** Random digits, so that an old point is not taken for the one that is waited for. */
  readonly check: string;
}

export interface Snippet {
  readonly id: string;
  readonly name: string;
  readonly about: string;
  readonly scope: "write" | "beacon";
  /** The point of the snippet bears the label `check`: it is looked for by it. */
  readonly isChecked?: boolean;
  text(of: Filled): string;
}

/** The metric of snippets that bear a check. */
export const FIRST_METRIC = "my.first";

export const SNIPPETS: readonly Snippet[] = [
  {
    id: "browser", name: "Browser", scope: "beacon", about: "Web vitals, errors, response times and funnel steps of each visitor. make client builds the script; serve it with your pages.",
    text: ({ intake, key }) => `<script src="/tidegauge.js"\n  data-url="${intake}"\n  data-key="${key}"></script>`,
  },
  {
    id: "web-vitals", name: "web-vitals", scope: "beacon", about: "For pages that use Google's library by themselves; docs/clients/web-vitals.md has the form that counts CLS right in every case.",
    text: ({ intake, key }) => `import { onCLS, onINP, onLCP } from "web-vitals";\n\nconst send = ({ id, name, value, delta, navigationType }) =>\n  navigator.sendBeacon("${intake}/v1/vitals?key=${key}",\n    JSON.stringify({ id, name, value, delta, navigationType }));\n[onCLS, onINP, onLCP].forEach((observe) => observe(send));`,
  },
  {
    id: "python", name: "Python", scope: "write", isChecked: true, about: "Our client sends in the background and never holds your app up: pip install ./clients/python",
    text: ({ intake, key, check }) => `from tidegauge_client import Telemetry\n\ntelemetry = Telemetry("${intake}", "${key}")\ntelemetry.point("${FIRST_METRIC}", 42, labels={"check": "${check}"})`,
  },
  {
    id: "curl", name: "curl", scope: "write", isChecked: true, about: "One point, from a shell.",
    text: ({ intake, key, check }) => `curl -s ${intake}/v1/telemetry -H "X-API-Key: ${key}" \\\n  -H "Content-Type: application/json" \\\n  -d '{"points":[{"name":"${FIRST_METRIC}","value":42,"labels":{"check":"${check}"}}]}'`,
  },
  {
    id: "otlp", name: "OTLP", scope: "write", about: "Any SDK or Collector of OpenTelemetry, over HTTP; metrics, logs and spans.",
    text: ({ intake, key }) => `export OTEL_EXPORTER_OTLP_PROTOCOL="http/protobuf"\nexport OTEL_EXPORTER_OTLP_ENDPOINT="${intake}"\nexport OTEL_EXPORTER_OTLP_HEADERS="Authorization=Bearer%20${key}"`,
  },
  {
    id: "prometheus", name: "Prometheus", scope: "write", about: "Remote write, of Prometheus, vmagent or Grafana Alloy.",
    text: ({ intake, key }) => `remote_write:\n  - url: ${intake}/api/v1/write\n    authorization:\n      credentials: ${key}`,
  },
];
