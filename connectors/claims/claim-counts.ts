/** The large payloads of a process since its start, for metrics. */
export class ClaimCounts {
  putObjects = 0
  putBytes = 0
  fetchedObjects = 0
  fetchedBytes = 0
  /** Objects that the sweep has deleted, because their time was over. */
  expiredObjects = 0
  /** Payloads that were refused because the store is full. */
  refusedObjects = 0
  /** Calls of the store that were not answered. Each attempt counts. */
  awayErrors = 0
}
