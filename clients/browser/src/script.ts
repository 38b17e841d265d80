// The script tag: `<script src="tidegauge.js" data-url="…" data-key="…"></script>`, and `tidegauge.client` afterwards.

import { init } from "./index";

export { init, SDK } from "./index";

const { url, key, release, environment, userId, sampleRate, consent } = document.currentScript?.dataset ?? {};

/** The client that the attributes of the tag have started. */
export const client =
  url && key
    ? init({ url, key, release, environment, userId, sampleRate: Number(sampleRate ?? 1), consent: consent !== "false" })
    : undefined;
