/**
 * Drops a record if a record with the same key passed within `retentionMs`. Its store maps a key to the time of the first record in epoch ms.
 * `<store>-due` holds the keys in the order of their expiry.
 */
export interface Deduplicate {
  readonly op: 'deduplicate'
  readonly store: string
  readonly dueStore: string
  readonly retentionMs: number
}
