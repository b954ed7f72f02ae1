/**
 * Drops a record if a record with its key went through within `retentionMs`. Store: key → epoch ms of the first record; `<store>-due` holds the keys
 * in the order of their expiry.
 */
export interface Deduplicate {
  readonly op: 'deduplicate'
  readonly store: string
  readonly dueStore: string
  readonly retentionMs: number
}
