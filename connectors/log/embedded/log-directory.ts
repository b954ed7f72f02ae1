import { existsSync, linkSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { crc32 } from 'node:zlib'
import type { TopicSpec } from '../../../topology/topic.ts'
import { WaggleError } from '../../../topology/waggle-error.ts'
import { damageNext, Rocks, type RocksChange } from '../../rocksdb/rocks.ts'
import { makeDirectory } from '../../system/file-error.ts'
import { CommitMark, type Manifest, type Marked } from './commit-mark.ts'
import { writeError } from './commit-write.ts'
import { endsKey, prefix, topicKey } from './keys.ts'
import { decodeRun } from './record-run.ts'
import { finishRemoval } from './removal.ts'
import { SegmentUses } from './segment-uses.ts'
import { Segments } from './segments.ts'
import { endsBytes, endsOf } from './values.ts'

export interface LogDirectoryOptions {
  readonly directory: string
  /** True: a damaged directory is opened with the records that remain. */
  readonly acceptLoss: boolean
  /** True if the data directory records that a log was made here. */
  readonly wasMade: boolean
  readonly onNotice: (notice: string) => void
}

/** A topic with its number in the database's keys. */
export type StoredTopic = TopicSpec & { readonly number: number }

export interface OpenedDirectory {
  readonly disk: Rocks
  readonly segments: Segments
  readonly uses: SegmentUses
  readonly mark: CommitMark
}

/**
 * Opens the log's directory, and checks that everything durable is there. RocksDB repairs a damaged database by dropping unreadable parts, so hard
 * links keep the old files until the checks have passed. If a check fails, the directory is restored and WAGGLE_LOG_CORRUPT lists all damage. With
 * `acceptLoss`, each loss becomes a notice instead, and the damaged database is kept beside the new one.
 */
export async function openLogDirectory({ directory, acceptLoss, wasMade, onNotice }: LogDirectoryOptions): Promise<OpenedDirectory> {
  const database = join(directory, 'db')
  const isGone = wasMade && !existsSync(database)
  if (isGone && !acceptLoss) {
    throw new WaggleError('WAGGLE_LOG_CORRUPT', { message: `${database} is gone: this data directory had a log`, next: damageNext })
  }
  makeDirectory(directory)
  const mark = new CommitMark(join(directory, 'mark'))
  const topics = readTopics(directory)
  const read = mark.read()
  const marked = read === 'damaged' ? null : read
  // The mark is not synced, so a power failure may damage a part of it. A damaged mark does not prove a loss, and its readable slots are still
  // compared.
  if (marked !== null && !marked.isWhole) {
    onNotice('The mark of the last durable commit is damaged: at this start nobody can tell whether the end of the log is all there.')
  }
  const before = keepLinks(directory)
  let disk: Rocks | null = null
  const found: string[] = isGone ? [`${database} is gone: this data directory had a log`] : []
  /** False: the database cannot be kept, and an empty one replaces it. */
  let isWhole = !isGone
  const manifest = manifestOf(database, marked?.manifest?.bytes)
  if (marked?.manifest != null && manifest !== null && isOther(manifest, marked.manifest)) {
    isWhole = false
    found.push(`${database}/MANIFEST-${manifest.number} does not begin with the ${marked.manifest.bytes} bytes that were written`)
  }
  try {
    disk = await Rocks.open(database)
    if (marked !== null && disk.sequence < marked.sequence) {
      found.push(
        `${database} ends ${marked.sequence - disk.sequence} changes before the last durable commit: its write-ahead log or its manifest is damaged`,
      )
    }
    if (bytesOfTables(database) <= maxVerifiedBytes) disk.verify()
  } catch (thrown) {
    if (!(thrown instanceof WaggleError) || thrown.code !== 'WAGGLE_LOG_CORRUPT') {
      await disk?.close()
      if (before !== null) rmSync(before, { recursive: true })
      throw thrown
    }
    found.push(thrown.message)
    isWhole = false
  }
  const segments = new Segments(join(directory, 'segments'))
  // Versions of Waggle before the mark wrote neither a mark nor topics.json, so a directory of such a version has lost nothing.
  const holds = disk === null || disk.sequence > 0 || segments.sizes().size > 0
  if (!isGone && read === null && (wasMade || (topics !== null && holds))) {
    found.push(`${directory}/mark is missing: nobody can tell whether the end of the log is all there`)
  }
  // The start of the mark is synced at each start of Waggle, so a power failure cannot damage the start.
  if (read === 'damaged') found.push(`${directory}/mark is damaged: nobody can tell whether the end of the log is all there`)
  const damagedSegments = damagedFiles(segments, marked, found)
  if (found.length > 0 && !acceptLoss) {
    await disk?.close()
    // The kept files replace the files that RocksDB has changed at its opening.
    if (before !== null) {
      rmSync(database, { recursive: true, force: true })
      renameSync(before, database)
    }
    throw new WaggleError('WAGGLE_LOG_CORRUPT', { message: `${directory} is damaged. ${found.join('. ')}`, next: damageNext })
  }
  if (disk === null || !isWhole) {
    await disk?.close()
    rmSync(database, { recursive: true, force: true })
    disk = await Rocks.open(database)
  }
  await finishRemoval(disk)
  const uses = new SegmentUses()
  if (found.length > 0) {
    const kept = keepDamaged(directory, before)
    onNotice(`${found.join('. ')}. Going on without it (--accept-loss).${kept === null ? '' : ` The database as it was is kept in ${kept}.`}`)
    for (const loss of accept({ disk, isWhole, marked, topics: topics ?? storedTopics(disk), damagedSegments })) onNotice(`Lost: ${loss}`)
    await disk.sync()
  } else if (before !== null) removeLinks(directory)
  uses.load(disk)
  dropOrphans(disk, segments, uses)
  try {
    const sizes = [...segments.sizes()].map(([segment, bytes]) => ({ segment, bytes }))
    mark.begin({ sequence: disk.sequence, ends: endsIn(disk), segments: sizes, manifest: manifestOf(database) })
    // topics.json is written after the mark. So a directory that has topics.json and no mark has lost its mark.
    writeTopics(directory, storedTopics(disk))
  } catch (thrown) {
    await disk.close()
    throw writeError(directory, thrown)
  }
  return { disk, segments, uses, mark }
}

export function storedTopics(disk: Rocks): readonly StoredTopic[] {
  return [...disk.range(Uint8Array.of(prefix.topic), Uint8Array.of(prefix.topic + 1))].map(
    ([, value]) => JSON.parse(Buffer.from(value).toString()) as StoredTopic,
  )
}

/** Writes names and numbers of topics beside the database. Messages about a damaged database can then name the topics. */
export function writeTopics(directory: string, topics: readonly StoredTopic[]): void {
  const file = join(directory, 'topics.json')
  writeFileSync(`${file}.next`, JSON.stringify(topics), { flush: true })
  renameSync(`${file}.next`, file)
}

/** The topics for messages; null if the file is missing or unreadable. */
function readTopics(directory: string): readonly StoredTopic[] | null {
  try {
    return JSON.parse(readFileSync(join(directory, 'topics.json'), 'utf8')) as readonly StoredTopic[]
  } catch {
    return null
  }
}

/** The manifest that RocksDB's file CURRENT names, or its first `upTo` bytes; null if CURRENT names no manifest. */
export function manifestOf(database: string, upTo = Number.POSITIVE_INFINITY): Manifest | null {
  try {
    const name = readFileSync(join(database, 'CURRENT'), 'utf8').trim()
    const number = Number(/^MANIFEST-(\d+)$/.exec(name)?.[1])
    if (!Number.isFinite(number)) return null
    const bytes = readFileSync(join(database, name)).subarray(0, Math.min(upTo, Number.MAX_SAFE_INTEGER))
    return { number, bytes: bytes.length, crc: crc32(bytes) }
  } catch {
    return null
  }
}

/**
 * True if the manifest is older than the marked one, or if its marked bytes have changed. A manifest that has only grown passes, because only the
 * marked bytes are compared. A newer manifest file is not checked, because the mark describes only the older file.
 */
function isOther(found: Manifest, marked: Manifest): boolean {
  return found.number < marked.number || (found.number === marked.number && (found.bytes < marked.bytes || found.crc !== marked.crc))
}

/** Segment files that are shorter than their durable part. */
function damagedFiles(segments: Segments, marked: Marked | null, found: string[]): ReadonlySet<number> {
  const sizes = segments.sizes()
  const damaged = new Set<number>()
  for (const { segment, bytes } of marked?.segments ?? []) {
    const size = sizes.get(segment)
    if (size !== undefined && size >= bytes) continue
    damaged.add(segment)
    found.push(
      size === undefined ? `The segment file ${segment} is missing` : `The segment file ${segment} has ${size} bytes, where ${bytes} were written`,
    )
  }
  return damaged
}

interface Accepted {
  readonly disk: Rocks
  /** False: the database cannot be kept, and an empty one replaces it. */
  readonly isWhole: boolean
  readonly marked: Marked | null
  readonly topics: readonly StoredTopic[]
  readonly damagedSegments: ReadonlySet<number>
}

/** Adjusts the database to the losses, and returns a line for each loss. New records never get the offset of a lost record. */
function accept({ disk, isWhole, marked, topics, damagedSegments }: Accepted): readonly string[] {
  const losses: string[] = []
  const changes: RocksChange[] = []
  const names = new Map(topics.map(({ number, name }) => [number, name]))
  if (!isWhole && marked === null) losses.push('all records that were in the log before')
  if (!isWhole) losses.push('positions and stores of all swarms, with the answers and idempotency keys in them')
  for (const topic of topics) if (disk.get(topicKey(topic.name)) === null) changes.push([topicKey(topic.name), Buffer.from(JSON.stringify(topic))])
  for (const { topic, partition, end } of marked?.ends ?? []) {
    const { start, end: from, bytes } = endsOf(disk.get(endsKey(topic, partition)))
    if (from >= end) continue
    losses.push(`${end - from} records of ${names.get(topic) ?? `topic number ${topic}`}, partition ${partition}, offsets ${from} to ${end - 1}`)
    if (names.has(topic)) changes.push([endsKey(topic, partition), endsBytes({ start: from === start ? end : start, end, bytes })])
  }
  disk.write(changes)
  losses.push(...payloadLosses(disk, damagedSegments, names))
  return losses.length === 0
    ? [marked === null ? 'without a mark nobody can tell what followed the last record that is left' : 'nothing that the mark knows of']
    : losses
}

/** Lists the records whose payload is lost. Such a record stays, and reading it fails. */
function payloadLosses(disk: Rocks, damaged: ReadonlySet<number>, names: ReadonlyMap<number, string>): readonly string[] {
  if (damaged.size === 0) return []
  const counts = new Map<string, { count: number; first: number; last: number }>()
  for (const [key, run] of disk.range(Uint8Array.of(prefix.run), Uint8Array.of(prefix.run + 1))) {
    const bytes = Buffer.from(key)
    let isDamaged = false
    for (const { offset } of decodeRun(bytes.readDoubleBE(9), run, ({ segment }) => {
      isDamaged = damaged.has(segment)
      return nothing
    })) {
      if (!isDamaged) continue
      isDamaged = false
      const place = `${names.get(bytes.readUInt32BE(1)) ?? `topic number ${bytes.readUInt32BE(1)}`}, partition ${bytes.readUInt32BE(5)}`
      const there = counts.get(place)
      if (there === undefined) counts.set(place, { count: 1, first: offset, last: offset })
      else {
        there.count++
        there.last = offset
      }
    }
  }
  return [...counts].map(([place, { count, first, last }]) => `large values of up to ${count} records of ${place}, offsets ${first} to ${last}`)
}

/** Deletes segments that no record names. If an older version has not stored which partitions use which segment, this function stores it first. */
function dropOrphans(disk: Rocks, segments: Segments, uses: SegmentUses): void {
  const unknown = [...segments.sizes().keys()].filter((segment) => !uses.has(segment))
  if (unknown.length === 0) return
  const changes = uses.find(disk)
  if (changes.length > 0) disk.write(changes)
  for (const segment of unknown) if (!uses.has(segment)) segments.delete(segment)
}

function endsIn(disk: Rocks): Marked['ends'] {
  return [...disk.range(Uint8Array.of(prefix.ends), Uint8Array.of(prefix.ends + 1))].map(([key, value]) => {
    const bytes = Buffer.from(key)
    return { topic: bytes.readUInt32BE(1), partition: bytes.readUInt32BE(5), end: endsOf(value).end }
  })
}

// ── The database's files as they were ───────────────────────────────────────────────────────────────────────────────────────

/** Links all files of the database into a second directory. Null without a database, or on a file system without hard links. */
function keepLinks(directory: string): string | null {
  const database = join(directory, 'db')
  if (!existsSync(database)) return null
  const links = join(directory, `${linksName}${process.pid}`)
  rmSync(links, { recursive: true, force: true })
  mkdirSync(links)
  for (const name of readdirSync(database)) {
    if (name === 'LOCK') continue
    try {
      linkSync(join(database, name), join(links, name))
    } catch (error) {
      // A file has disappeared, because another process has the database open. The opening of the database reports that.
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') continue
      rmSync(links, { recursive: true })
      return null
    }
  }
  return links
}

/** Deletes the links of this process and of earlier processes. This process has locked the database, so no other process needs the links. */
function removeLinks(directory: string): void {
  for (const name of readdirSync(directory)) if (name.startsWith(linksName)) rmSync(join(directory, name), { recursive: true })
}

function keepDamaged(directory: string, links: string | null): string | null {
  if (links === null) return null
  for (let number = 1; ; number++) {
    const kept = join(directory, `db.damaged-${number}`)
    if (existsSync(kept)) continue
    renameSync(links, kept)
    return kept
  }
}

function bytesOfTables(database: string): number {
  let bytes = 0
  for (const name of readdirSync(database)) if (name.endsWith('.sst')) bytes += statSync(join(database, name), { throwIfNoEntry: false })?.size ?? 0
  return bytes
}

const linksName = 'db.before-'
/**
 * Up to this total size, all table files are checked at each start. In a larger database, damage to a table file is found when the table is first
 * read.
 */
const maxVerifiedBytes = 256 * 1024 * 1024
const nothing = new Uint8Array(0)
