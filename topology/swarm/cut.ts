/** The start of a sub-topology, and the reason for it. */
export interface Cut {
  readonly kind: CutKind
  /** Half a sentence for people: "at a join: …". */
  readonly reason: string
}

export type CutKind = (typeof cutKinds)[number]

/** The kinds of reasons that the planner has, each with its own words. */
export const cutKinds = [
  'gateway',
  'join',
  'stack',
  'fan-out',
  'batch',
  'gpu',
  'sink',
  'call-behind-state',
  'call-behind-join',
  'output-behind-gateway',
  'ledger-behind-gpu',
  'ledger-behind-gateway',
  'ledger-alone',
] as const
