/**
 * What became of each request: pending → answered | failed. The first outcome wins, is stored, and goes on; later ones
 * change nothing. A request whose deadline passes with no outcome is failed with a 504 that names what had not come.
 * Entries are kept for `retentionMs`. Store: request id → RequestEntry; `<store>-due` orders deadlines and expiries.
 */
export interface RequestLedger {
  readonly op: 'request-ledger'
  readonly store: string
  readonly dueStore: string
  readonly retentionMs: number
  /** Bees whose results an answer needs. */
  readonly waitsFor: readonly string[]
  /** The bee that answers, for the problem of a deadline. */
  readonly bee: string
}
