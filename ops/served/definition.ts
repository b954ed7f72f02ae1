import { WaggleError } from '../../topology/waggle-error.ts'
import { codeBounds, type FileHashes } from './code-files.ts'

/** One version of a swarm's file, as a client has sent it. */
export interface SwarmVersion {
  readonly swarm: string
  readonly version: number
  readonly created_at: number
  readonly text: string
  readonly file: string
  /** The directory of relative paths, relative to the server's directory. */
  readonly directory: string
  /** The hashes of its files of code, as the server that made the version had them; undefined for a version of an older Waggle. */
  readonly files?: FileHashes
}

/** A version with its place in the topic. */
export interface WrittenVersion extends SwarmVersion {
  /**
   * The place in the topic of the change that wrote this version. Two servers may write a version with the same number. Then the text of the later
   * change is valid.
   */
  readonly change: number
}

/** A swarm, and the version that is to run. */
export interface SwarmPointer {
  readonly swarm: string
  readonly version: number
  readonly paused: boolean
  readonly created_at: number
  readonly updated_at: number
  /**
   * The number of the pointer. Each pointer of a swarm has the next number; the number after the highest is the lowest. A pointer with another number
   * has lost against another server's pointer, and every server ignores it.
   */
  readonly revision: number
}

/**
 * The phases of a change, in their order, so that all servers change together.
 *
 * `open`: one server changes the swarm, and no other server may change it. If there is a new version, the other servers open its bees. `hold`:
 * gateways make new requests wait. `stop`: the older version stops. `refused`: another server cannot run the new version, so the change is abandoned.
 */
export const claimPhases = ['open', 'hold', 'stop', 'refused'] as const
export type ClaimPhase = (typeof claimPhases)[number]

/** A change of a swarm that is in progress. */
export interface SwarmClaim {
  readonly swarm: string
  readonly id: string
  readonly phase: ClaimPhase
  /** The new version; null for a change without a new version. */
  readonly version: number | null
  /** The reason of a refusal; empty in all other phases. */
  readonly reason: string
}

/**
 * A record of the topic of definitions: a version (`SWARM@VERSION`), a pointer (`SWARM`), a change in progress (`SWARM!ID`), or the end of one of
 * these (`value` is null).
 */
export type DefinitionRecord =
  | VersionRecord
  | { readonly kind: 'pointer'; readonly swarm: string; readonly value: SwarmPointer | null }
  | { readonly kind: 'claim'; readonly swarm: string; readonly id: string; readonly value: SwarmClaim | null }

/** The revision after this revision. It is 1 for the first pointer of a swarm (whose earlier revision is 0), and after the highest number. */
export function nextRevision(revision: number): number {
  return revision >= Number.MAX_SAFE_INTEGER ? 1 : revision + 1
}

/** Compares revisions as numbers on a ring. Each revision therefore has a next revision, even the highest number, which a stranger may write. */
export function isLaterRevision(revision: number, before: number): boolean {
  const ahead = revision - before + (revision < before ? Number.MAX_SAFE_INTEGER : 0)
  return ahead > 0 && ahead <= (Number.MAX_SAFE_INTEGER - 1) / 2
}

export interface VersionRecord {
  readonly kind: 'version'
  readonly swarm: string
  readonly version: number
  readonly value: WrittenVersion | null
}

export function keyOf({ swarm, version, id }: { readonly swarm: string; readonly version?: number; readonly id?: string }): string {
  if (id !== undefined) return `${swarm}!${id}`
  return version === undefined ? swarm : `${swarm}@${version}`
}

/** Reads a record. Throws WAGGLE_FOREIGN_RECORD for a record that Waggle did not write. */
export function parseDefinition(key: Uint8Array | null, value: Uint8Array | null): DefinitionRecord {
  const [, swarm, number, id] =
    /^([a-z][a-z0-9-]{0,62})(?:@([1-9]\d{0,8})|!([0-9a-f]{16}))?$/.exec(key === null ? '' : Buffer.from(key).toString()) ?? []
  if (swarm === undefined) throw foreign('its key is not the name of a swarm')
  const read = value === null ? null : objectOf(value)
  if (id !== undefined) return { kind: 'claim', swarm, id, value: read === null ? null : claimOf(swarm, id, read) }
  if (number === undefined) return { kind: 'pointer', swarm, value: read === null ? null : pointerOf(swarm, read) }
  return { kind: 'version', swarm, version: Number(number), value: read === null ? null : versionOf(swarm, Number(number), read) }
}

function pointerOf(swarm: string, { version, paused, created_at, updated_at, revision }: Fields): SwarmPointer {
  if (!isCount(version) || !isCount(revision) || typeof paused !== 'boolean' || !isTime(created_at) || !isTime(updated_at))
    throw foreign('a field is missing')
  return { swarm, version, paused, created_at, updated_at, revision }
}

function claimOf(swarm: string, id: string, { phase, version = null, reason }: Fields): SwarmClaim {
  const known = claimPhases.find((one) => one === phase)
  if (known === undefined || typeof reason !== 'string' || (version !== null && !isCount(version))) throw foreign('a field is missing')
  return { swarm, id, phase: known, version, reason }
}

function versionOf(swarm: string, version: number, { created_at, text, file, directory, files, change = 0 }: Fields): WrittenVersion {
  if (!isTime(created_at) || !isOffset(change) || typeof text !== 'string' || typeof file !== 'string' || typeof directory !== 'string')
    throw foreign('a field is missing')
  if (files !== undefined && !isFileHashes(files)) throw foreign('its hashes of files are none')
  return { swarm, version, created_at, text, file, directory, change, ...(files === undefined ? {} : { files }) }
}

function isFileHashes(value: unknown): value is FileHashes {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false
  const entries = Object.entries(value)
  return entries.length <= codeBounds.files && entries.every(([, hash]) => typeof hash === 'string' && /^[0-9a-f]{32}$/.test(hash))
}

interface Fields {
  readonly version?: unknown
  readonly paused?: unknown
  readonly revision?: unknown
  readonly phase?: unknown
  readonly reason?: unknown
  readonly created_at?: unknown
  readonly updated_at?: unknown
  readonly text?: unknown
  readonly file?: unknown
  readonly directory?: unknown
  readonly files?: unknown
  readonly change?: unknown
}

function objectOf(bytes: Uint8Array): Fields {
  try {
    const read: unknown = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
    if (typeof read === 'object' && read !== null) return read
  } catch {
    // The error below reports it.
  }
  throw foreign('its value is not JSON')
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && Number(value) > 0
}

function isOffset(value: unknown): value is number {
  return Number.isSafeInteger(value) && Number(value) >= 0
}

function isTime(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value)
}

function foreign(why: string): WaggleError {
  return new WaggleError('WAGGLE_FOREIGN_RECORD', {
    message: `A record of the swarms’ definitions is skipped: ${why}`,
    next: 'Let nobody else write to the topic waggle.definitions.',
  })
}
