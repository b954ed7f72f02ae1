/** Drops a record whose key was let through within `retentionMs`. Store: key → epoch ms of the first; `<store>-due` orders them. */
export interface Deduplicate {
  readonly op: 'deduplicate'
  readonly store: string
  readonly dueStore: string
  readonly retentionMs: number
}
