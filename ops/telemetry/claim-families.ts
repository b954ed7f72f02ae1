import type { ClaimCounts } from '../../connectors/claims/claim-counts.ts'
import type { Family } from './exposition.ts'
import { single } from './metric-table.ts'

/** The large payloads of a process, as metrics see them. */
export interface MeasuredClaims {
  readonly counts: ClaimCounts
  /** The bytes of answers that callers read now, and their bound. */
  readonly answers: { readonly takenBytes: number; readonly maxBytes: number }
  /** The bytes of all objects, and their bound; null if another program keeps the objects. */
  readonly usage: () => { readonly bytes: number; readonly maxBytes: number } | null
}

/** Metrics of large payloads. Empty without a claim store. */
export function claimFamilies(claims: MeasuredClaims | undefined): readonly Family[] {
  if (claims === undefined) return []
  const { counts, answers } = claims
  const usage = claims.usage()
  return [
    single('waggle_claims_put_total', counts.putObjects),
    single('waggle_claims_put_bytes_total', counts.putBytes),
    single('waggle_claims_fetched_total', counts.fetchedObjects),
    single('waggle_claims_fetched_bytes_total', counts.fetchedBytes),
    single('waggle_claims_expired_total', counts.expiredObjects),
    single('waggle_claims_refused_total', counts.refusedObjects),
    single('waggle_claims_away_total', counts.awayErrors),
    single('waggle_claims_answer_bytes', answers.takenBytes),
    single('waggle_claims_answer_max_bytes', answers.maxBytes),
    ...(usage === null ? [] : [single('waggle_claim_store_bytes', usage.bytes), single('waggle_claim_store_max_bytes', usage.maxBytes)]),
  ]
}
