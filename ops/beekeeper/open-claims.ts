import { join } from 'node:path'
import { claimBucket } from '../../connectors/claims/claim-bucket.ts'
import { ClaimCounts } from '../../connectors/claims/claim-counts.ts'
import { ClaimSweep } from '../../connectors/claims/claim-sweep.ts'
import { DirectoryClaims } from '../../connectors/claims/directory-claims.ts'
import { PayloadClaims } from '../../connectors/claims/payload-claims.ts'
import { S3Claims } from '../../connectors/claims/s3-claims.ts'
import type { Clock, Log, Random } from '../../processor/ports.ts'
import type { ClaimStore, Claims } from '../../topology/swarm/ports/claims.ts'
import type { Settings } from '../config/settings.ts'
import { expectOwner } from './claim-store-owner.ts'

export interface OpenClaims {
  readonly claims: Claims
  readonly counts: ClaimCounts
  /** The bytes of all objects, and their bound; null if another program keeps the objects. */
  readonly usage: () => { readonly bytes: number; readonly maxBytes: number } | null
  close(): Promise<void>
}

/**
 * Opens the claim store of the process, and begins to sweep it; null if all payloads travel in the log. Throws WAGGLE_CLAIM_STORE on a cluster where
 * two processes would each keep payloads in a data directory of their own.
 */
export async function openClaims(
  settings: Settings,
  {
    log,
    clock,
    random,
    onNotice,
  }: { readonly log: Log; readonly clock: Clock; readonly random: Random; readonly onNotice: (notice: string) => void },
): Promise<OpenClaims | null> {
  const { claim_store: address, data_dir: dataDirectory, max_inline_bytes: maxInlineBytes } = settings
  if (address === null) return null
  const bucket = claimBucket(address)
  const directory = join(dataDirectory, 'claims')
  const maxBytes = settings.claim_store_max_bytes
  const store: ClaimStore =
    bucket === null ? await DirectoryClaims.open(directory, { random, clock, maxBytes, onNotice }) : new S3Claims(bucket, process.env)
  if (bucket === null && settings.log === 'kafka') await expectOwner(log, { store: store.name, clock, random })
  const counts = new ClaimCounts()
  const claims = new PayloadClaims({
    counts,
    store,
    clock,
    random,
    maxInlineBytes,
    lifetimeMs: lifetimeMsOf(settings),
    maxFetchedBytes: maxFetchedBytes(settings),
  })
  const sweep = new ClaimSweep({ store, clock, oldestUnread: () => oldestUnread(log, clock), everyMs: sweepMs, onNotice, counts })
  sweep.start()
  return {
    claims,
    counts,
    usage: () => store.usage ?? null,
    close: async () => {
      await sweep.close()
      await store.close()
    },
  }
}

/** The most bytes of fetched payloads that are in memory at once: for bees, for sinks, and for callers. */
export function maxFetchedBytes({ max_body_bytes }: Pick<Settings, 'max_body_bytes'>): number {
  return Math.max(256 * 1024 * 1024, 2 * max_body_bytes)
}

/**
 * The time for which an object stays, in ms. Up to three records name an object, one after the other, and each may wait as long as the retention: the
 * record of the input, the record that its reader writes with the same claim, and a dead letter that is sent again. The ledger names the object of an
 * answer as long as it keeps the answer.
 */
function lifetimeMsOf({ retention_seconds, answers_retention_seconds }: Settings): number {
  return Math.min(3 * retention_seconds + answers_retention_seconds, longestSeconds) * 1000 + leastMs
}

/**
 * The time of the oldest unread record of the embedded log; Infinity if all records have been read. Kafka deletes records at the end of their
 * retention, whether they were read or not. So on Kafka no record waits for longer than its object stays.
 */
function oldestUnread({ storage }: Log, clock: Clock): number | null {
  if (storage === undefined) return Number.POSITIVE_INFINITY
  // The log has not been measured yet.
  if (storage.bytes === 0) return null
  return clock.now() - Math.max(Number.NEGATIVE_INFINITY, ...storage.behind.map(({ oldestAgeMs }) => oldestAgeMs))
}

const sweepMs = 600_000
/** The least time. It is longer than the differences between the clocks of several machines. */
const leastMs = 3_600_000
const longestSeconds = 100 * 366 * 86_400
