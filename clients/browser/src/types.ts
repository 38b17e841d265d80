// What an application says to the client, and what the client sends.

/** One thing to send; `kind` says which fields it has. Times are milliseconds since 1970. */
export interface Item {
  kind: string;
  ts: number;
  [field: string]: unknown;
}

export interface Options {
  /** Where Tidegauge takes things in, such as `https://telemetry.example.com`. */
  url: string;
  /** A write key; it can write and nothing else, so that it may stand in a page. */
  key: string;
  release?: string;
  environment?: string;
  userId?: string;
  /** The part of all sessions whose vitals and times are sent, 0 to 1; they count in proportion. Default 1. */
  sampleRate?: number;
  /** False: nothing is sent or stored until `consent(true)`. Default true. */
  consent?: boolean;
  /** Called for each item; what it returns is sent, and nothing where it returns null. */
  beforeSend?: (item: Item) => Item | null | undefined;
}
